package io.experimentetl.faults;

import java.time.Duration;

/** A fault of one HTTP request, whose body must have a content length. */
public sealed interface RequestFault {

  /** The server receives the request up to the position; then both connections end. */
  record CutRequest(Position position, Hangup hangup) implements RequestFault {}

  /** The server receives the request up to the position, and nothing more. */
  record StallRequest(Position position) implements RequestFault {}

  /** The server receives the whole request later, even if the client has hung up by then. */
  record DelayRequest(Duration delay) implements RequestFault {}

  /**
   * The server receives the request and answers; the client receives only the given number of bytes
   * of the answer before both connections end.
   */
  record DropAnswer(long passedBytes, Hangup hangup) implements RequestFault {}

  /** The client receives the answer later. */
  record DelayAnswer(Duration delay) implements RequestFault {}

  /**
   * The server receives the request twice, on two connections.
   *
   * @param together true: both at the same time, and the client receives the answer to its own
   *     request; false: the second follows the answer to the first, which is lost, as behind a
   *     proxy that retries
   */
  record DeliverTwice(boolean together) implements RequestFault {}

  /** The server receives nothing; the proxy answers with the status and the text. */
  record AnswerItself(int status, String text) implements RequestFault {}

  /**
   * The server receives the request with additional URL parameters, for instance {@code
   * readonly=1}, and answers as it would with another profile.
   */
  record WithParameters(String parameters) implements RequestFault {}
}
