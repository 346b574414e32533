package io.experimentetl.cdc;

/** Changes of the source did not enter the stream: going on would leave the warehouse wrong. */
public class UnstreamedChangesException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  /**
   * The error of a job that stops.
   *
   * @param message what was lost, where, and what to do
   */
  public UnstreamedChangesException(String message) {
    super(message);
  }
}
