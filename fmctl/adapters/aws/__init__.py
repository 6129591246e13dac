"""AWS over boto3: loaded lazily, one session, every error one of ours."""
