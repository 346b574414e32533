package io.experimentetl.report;

/** The message gives the reason and the remedy. */
public final class CannotReportException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  public CannotReportException(String message) {
    super(message);
  }

  public CannotReportException(String message, Throwable cause) {
    super(message, cause);
  }
}
