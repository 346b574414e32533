package org.postgresql.replication.fluent;

import java.util.concurrent.TimeUnit;
import org.postgresql.replication.LogSequenceNumber;

/**
 * Replaces the driver's class of this name, for one value: automatic flush is off. With it on, an
 * idle driver confirms to the slot whatever LSN the server's keep-alives name, past every position
 * that a checkpoint holds; nobody could tell then whether a slot ahead of the job's position was
 * moved by somebody else, that is whether rows are missing. Debezium offers no setting for it.
 *
 * @param <T> the concrete builder
 */
public abstract class AbstractStreamBuilder<T extends ChainedCommonStreamBuilder<T>>
    implements ChainedCommonStreamBuilder<T> {
  private static final int DEFAULT_STATUS_INTERVAL = (int) TimeUnit.SECONDS.toMillis(10L);

  protected int statusIntervalMs = DEFAULT_STATUS_INTERVAL;
  protected LogSequenceNumber startPosition = LogSequenceNumber.INVALID_LSN;
  protected String slotName;
  protected boolean automaticFlush = false;

  protected abstract T self();

  @Override
  public T withStatusInterval(int time, TimeUnit format) {
    statusIntervalMs = (int) TimeUnit.MILLISECONDS.convert(time, format);
    return self();
  }

  @Override
  public T withStartPosition(LogSequenceNumber lsn) {
    this.startPosition = lsn;
    return self();
  }

  @Override
  public T withSlotName(String name) {
    this.slotName = name;
    return self();
  }

  public T withAutomaticFlush(boolean automatic) {
    this.automaticFlush = automatic;
    return self();
  }
}
