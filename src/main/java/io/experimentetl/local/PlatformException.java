package io.experimentetl.local;

/** Something a person can mend: the message names the thing, the place and the remedy. */
public final class PlatformException extends RuntimeException {
  public PlatformException(String message) {
    super(message);
  }

  public PlatformException(String message, Throwable cause) {
    super(message, cause);
  }
}
