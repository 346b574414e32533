package io.experimentetl.clickhouse;

import java.util.concurrent.atomic.AtomicLong;

/**
 * The bytes that the writers of all tables and subtasks of a TaskManager hold. Above the limit, a
 * writer frees memory before it accepts more rows.
 */
final class SinkMemory {

  private static final int PART_OF_HEAP = 4;

  /** The memory of all writers of this job in this JVM: at most a quarter of the heap. */
  static final SinkMemory SHARED = new SinkMemory(Runtime.getRuntime().maxMemory() / PART_OF_HEAP);

  private final long limit;
  private final AtomicLong held = new AtomicLong();

  /**
   * Creates an account without bytes.
   *
   * @param limit in bytes
   */
  SinkMemory(long limit) {
    this.limit = limit;
  }

  void add(long bytes) {
    held.addAndGet(bytes);
  }

  long held() {
    return held.get();
  }

  long limit() {
    return limit;
  }

  boolean isOver() {
    return held.get() > limit;
  }
}
