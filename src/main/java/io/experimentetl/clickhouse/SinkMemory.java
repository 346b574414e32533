package io.experimentetl.clickhouse;

import java.util.concurrent.atomic.AtomicLong;

/**
 * The bytes that writers hold, all tables and subtasks of a TaskManager together. Above the limit a
 * writer makes room before it takes more.
 */
final class SinkMemory {

  private static final int PART_OF_HEAP = 4;

  /** Of all writers of this job in this JVM: a quarter of the heap. */
  static final SinkMemory SHARED = new SinkMemory(Runtime.getRuntime().maxMemory() / PART_OF_HEAP);

  private final long limit;
  private final AtomicLong held = new AtomicLong();

  /**
   * Nothing is held yet.
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
