package io.experimentetl.clickhouse;

import java.io.IOException;
import org.apache.flink.runtime.throwable.ThrowableAnnotation;
import org.apache.flink.runtime.throwable.ThrowableType;

/**
 * ClickHouse refuses a batch, and no retry can help. The job fails without a restart; the
 * checkpoint still contains the batch. The message contains the batch and the remedy.
 */
@ThrowableAnnotation(ThrowableType.NonRecoverableError)
public final class BatchRefusedException extends IOException {

  BatchRefusedException(String message) {
    super(message);
  }

  BatchRefusedException(String message, IOException cause) {
    super(message, cause);
  }
}
