"""The host on which the bot runs, as described by the host itself, not by the operator."""

from pydantic_settings import BaseSettings, SettingsConfigDict


class Host(BaseSettings):
    """The environment variables that Vercel and AWS Lambda set.

    https://vercel.com/docs/environment-variables/system-environment-variables
    """

    model_config = SettingsConfigDict(extra="ignore", env_ignore_empty=True)

    vercel: str | None = None
    vercel_env: str | None = None
    vercel_project_production_url: str | None = None
    aws_lambda_function_name: str | None = None

    @property
    def serverless(self) -> bool:
        """Tell whether the host starts instances on request and may freeze them afterwards."""
        return bool(self.vercel or self.aws_lambda_function_name)

    @property
    def is_preview(self) -> bool:
        """Tell whether this is a deployment on Vercel other than production."""
        return bool(self.vercel) and self.vercel_env != "production"

    @property
    def production_url(self) -> str | None:
        """Return the production address on Vercel; its deployment protection covers the others."""
        domain = self.vercel_project_production_url
        return f"https://{domain}" if self.vercel and domain else None
