package io.experimentetl.clickhouse;

import org.apache.flink.runtime.throwable.ThrowableAnnotation;
import org.apache.flink.runtime.throwable.ThrowableType;

/**
 * A ClickHouse column cannot hold a value. The message contains the value and the range. The job
 * fails without a restart, because the same row would fail again.
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
