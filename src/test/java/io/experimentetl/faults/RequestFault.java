package io.experimentetl.faults;

import java.time.Duration;

/** What may befall one HTTP request. Its body must be of announced length. */
public sealed interface RequestFault {

  /** The server gets the request up to the position; then both sides are hung up on. */
  record CutRequest(Position at, Hangup hangup) implements RequestFault {}

  /** The server gets the request up to the position, and no more until the client hangs up. */
  record StallRequest(Position at) implements RequestFault {}

  /** The server gets the whole request so much later, even if the client has gone by then. */
  record DelayRequest(Duration delay) implements RequestFault {}

  /**
   * The server gets the request and answers; so many bytes of the answer reach the client before
   * both sides are hung up on.
   */
  record DropAnswer(long passedBytes, Hangup hangup) implements RequestFault {}

  /** The answer reaches the client so much later. */
  record DelayAnswer(Duration delay) implements RequestFault {}

  /**
   * The server gets the request twice, on two connections.
   *
   * @param together both at the same time, and the client gets the first one's answer; otherwise
   *     the second one follows the first one's answer, which is lost, as behind a proxy that tries
   *     again
   */
  record DeliverTwice(boolean together) implements RequestFault {}

  /** The server gets nothing: the client is answered with the status and the text. */
  record AnswerItself(int status, String text) implements RequestFault {}

  /**
   * The server gets the request with these URL parameters too, for instance {@code readonly=1}: it
   * answers as it would under another profile.
   */
  record WithParameters(String parameters) implements RequestFault {}
}
