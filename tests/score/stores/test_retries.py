from __future__ import annotations

import logging

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError
from botocore.parsers import ResponseParserError

from sentscore.stores.retries import Retries, is_transient


def client_error(code: str, status: int) -> ClientError:
    return ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "PutObject")


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (OSError("When reading ...: AWS Error NETWORK_CONNECTION during GetObject operation: curlCode: 52"), True),
        (OSError("AWS Error SLOW_DOWN during PutObject operation"), True),
        (OSError("AWS Error ACCESS_DENIED during HeadObject operation: No response body."), False),
        (FileNotFoundError("timed out"), False),
        (ConnectionResetError(104, "Connection reset by peer"), True),
        (OSError("Couldn't deserialize thrift"), False),
        (client_error("InternalError", 500), True),
        (client_error("SlowDown", 503), True),
        (client_error("RequestTimeout", 400), True),
        (client_error("NotImplemented", 501), False),
        (client_error("PreconditionFailed", 412), False),
        (EndpointConnectionError(endpoint_url="http://127.0.0.1:9"), True),
        (NoCredentialsError(), False),
        (ResponseParserError("unable to parse response, invalid XML received"), True),
        (ValueError("timed out"), False),
    ],
)
def test_which_errors_pass_by_themselves(error: Exception, passes: bool) -> None:
    assert is_transient(error) is passes


def test_requests_are_made_again_with_growing_pauses_and_that_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    pauses: list[float] = []
    retries = Retries("s3://bucket", tries=6, pause=pauses.append)
    answers = iter([ConnectionResetError("reset by peer")] * 4)

    def request() -> str:
        for error in answers:
            raise error
        return "done"

    with caplog.at_level(logging.WARNING, logger="sentscore.stores"):
        assert retries.run(request) == "done"
        answers = iter([TimeoutError("timed out")])
        assert retries.run(request) == "done"
    [said] = caplog.messages
    assert said == "s3://bucket: reset by peer: trying again, here and whenever that happens"
    assert len(pauses) == 5
    assert all(low <= pause <= 2 * low for low, pause in zip((0.125, 0.25, 0.5, 1.0, 0.125), pauses, strict=True))


def test_what_does_not_pass_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "3")
    made: list[Exception] = []

    def fail(error: Exception) -> None:
        made.append(error)
        raise error

    for error, times in ((TimeoutError("timed out"), 3), (PermissionError("denied"), 1)):
        made.clear()
        with pytest.raises(type(error)):
            Retries("s3://bucket", pause=lambda seconds: None).run(lambda error=error: fail(error))
        assert made == [error] * times
