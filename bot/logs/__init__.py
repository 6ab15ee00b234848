"""The log, which holds neither secrets nor what people write."""
