package io.experimentetl.cdc;

/** Rows of the source are missing, or its order is broken: going on would be silent loss. */
public class DiscontinuityException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  public DiscontinuityException(String message) {
    super(message);
  }
}
