"""Build container images from Python, on BuildKit, without a Dockerfile."""
