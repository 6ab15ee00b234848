"""Where the bot runs, as the host itself says; nothing here is for people to set."""

from pydantic_settings import BaseSettings, SettingsConfigDict


class Host(BaseSettings):
    """Hold what Vercel and AWS Lambda put into the environment.

    https://vercel.com/docs/environment-variables/system-environment-variables
    """

    model_config = SettingsConfigDict(extra="ignore", env_ignore_empty=True)

    vercel: str | None = None
    vercel_env: str | None = None
    vercel_project_production_url: str | None = None
    aws_lambda_function_name: str | None = None

    @property
    def serverless(self) -> bool:
        """Tell whether the host starts an instance for a request and may freeze it after."""
        return bool(self.vercel or self.aws_lambda_function_name)

    @property
    def is_preview(self) -> bool:
        """Tell whether this is a deployment on Vercel that is not the production's."""
        return bool(self.vercel) and self.vercel_env != "production"

    @property
    def production_url(self) -> str | None:
        """Return the production's address on Vercel: other ones are behind its protection."""
        domain = self.vercel_project_production_url
        return f"https://{domain}" if self.vercel and domain else None
