package io.experimentetl.clickhouse;

import org.apache.flink.runtime.throwable.ThrowableAnnotation;
import org.apache.flink.runtime.throwable.ThrowableType;

/**
 * A value that its ClickHouse column can't hold. The message names the value and the range. The
 * same row would fail after a restart too, so none follows.
 */
@ThrowableAnnotation(ThrowableType.NonRecoverableError)
public final class UnencodableValueException extends RuntimeException {

  public UnencodableValueException(String message) {
    super(message);
  }

  UnencodableValueException(String message, Throwable cause) {
    super(message, cause);
  }
}
