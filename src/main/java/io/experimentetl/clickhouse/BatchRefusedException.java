package io.experimentetl.clickhouse;

import java.io.IOException;
import org.apache.flink.runtime.throwable.ThrowableAnnotation;
import org.apache.flink.runtime.throwable.ThrowableType;

/**
 * A batch that can't become right by trying again. The job stops without a restart; the batch stays
 * in the checkpoint. The message names the batch and the remedy.
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
