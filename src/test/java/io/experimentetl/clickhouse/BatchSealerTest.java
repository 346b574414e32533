package io.experimentetl.clickhouse;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.experimentetl.model.EventId;
import io.experimentetl.model.EventProcessed;
import io.experimentetl.model.FindingCode;
import io.experimentetl.model.RowVersion;
import io.experimentetl.model.TestEvent;
import io.experimentetl.warehouse.EventEncoder;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.time.Duration;
import java.time.LocalDate;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

class BatchSealerTest {

  private static final Duration MINUTE = Duration.ofMinutes(1);

  @Test
  void batchContainsRowsOfOnePartition() throws IOException {
    BatchSealer<Reading> sealer = sealer(BatchLimits.DEFAULT);
    for (int i = 0; i < 10; i++) {
      sealer.add(reading(i, 202600 + i % 3));
    }

    List<SealedBatch> batches = sealer.sealAll();

    assertThat(batches).extracting(SealedBatch::partition).containsOnly(202600L, 202601L, 202602L);
    assertThat(batches).extracting(SealedBatch::rows).containsExactlyInAnyOrder(4, 3, 3);
  }

  @Test
  void batchIsSealedAtItsNumberOfRows() throws IOException {
    BatchSealer<Reading> sealer = sealer(BatchLimits.DEFAULT.withRows(4));
    for (int i = 0; i < 10; i++) {
      sealer.add(reading(i, 1));
    }

    assertThat(sealer.sealAll()).extracting(SealedBatch::rows).containsExactly(4, 4, 2);
  }

  @Test
  void batchIsSealedAtItsBytes() throws IOException {
    BatchSealer<Reading> sealer = sealer(limits(1000, 1000, 16, 1 << 30));
    for (int i = 0; i < 200; i++) {
      sealer.add(reading(i, 1));
    }

    // The last row may exceed the limit, and the block's names and types are beside it.
    assertThat(sealer.sealAll())
        .hasSizeGreaterThan(1)
        .allSatisfy(batch -> assertThat(batch.rawBytes()).isLessThan(1000 + 50 + 200));
  }

  @Test
  void fullestBatchIsSealedToOpenAnotherPartition() throws IOException {
    BatchSealer<Reading> sealer = sealer(limits(1000, 1 << 20, 2, 1 << 30));
    for (int i = 0; i < 500; i++) {
      sealer.add(reading(i, 1));
    }
    sealer.add(reading(500, 2));
    sealer.add(reading(501, 3));

    assertThat(sealer.sealedEarly()).isEqualTo(1);
    assertThat(sealer.sealAll()).extracting(SealedBatch::rows).containsExactlyInAnyOrder(500, 1, 1);
  }

  @Test
  void openBatchesStayBelowTheMemoryLimit() throws IOException {
    long allowed = 40 << 10;
    BatchSealer<Reading> sealer = sealer(limits(100_000, 1 << 30, 100, allowed));
    for (int i = 0; i < 5_000; i++) {
      sealer.add(reading(i, i % 5));
    }

    assertThat(sealer.sealedEarly()).isPositive();
    assertThat(sealer.pendingRows()).isEqualTo(5_000);
    assertThat(sealer.sealAll().stream().mapToInt(SealedBatch::rows).sum()).isEqualTo(5_000);
    assertThat(sealer.pendingRows()).isZero();
    assertThat(sealer.pendingBytes()).as("spare buffers").isLessThanOrEqualTo(allowed);
  }

  @Test
  void rowThatCannotBeEncodedLeavesTheBatchUnchanged() throws IOException {
    BatchSealer<Reading> sealer = sealer(BatchLimits.DEFAULT);
    sealer.add(reading(1, 1));
    assertThatThrownBy(() -> sealer.add(new Reading(2, 1, null, 1)))
        .isInstanceOf(UnencodableValueException.class)
        .hasMessageContaining("table readings")
        .hasMessageContaining("NULL");
    sealer.add(reading(3, 1));

    SealedBatch batch = sealer.sealAll().get(0);

    assertThat(batch.rows()).isEqualTo(2);
    NativeWriter expected = new NativeWriter(Reading.ENCODER.schema().insertColumns());
    for (int sensor : new int[] {1, 3}) {
      Reading.ENCODER.encode(reading(sensor, 1), expected);
      expected.writeString(batch.id());
      expected.endRow();
    }
    assertThat(CompressedBody.decompress(batch.body())).isEqualTo(expected.toByteArray());
  }

  @Test
  void batchOfManyFramesDecompressesToItsRows() throws IOException {
    BatchSealer<Reading> sealer = sealer(BatchLimits.DEFAULT);
    for (int i = 0; i < 60_000; i++) {
      sealer.add(reading(i, 1));
    }

    SealedBatch batch = sealer.sealAll().get(0);

    assertThat(batch.rawBytes()).isGreaterThan(2L * CompressedBody.FRAME_BYTES);
    assertThat(CompressedBody.decompress(batch.body())).hasSize((int) batch.rawBytes());
  }

  @Test
  void batchIdsAreUniqueAcrossWriters() throws IOException {
    Set<String> ids = new HashSet<>();
    for (int writer = 0; writer < 100; writer++) {
      BatchSealer<Reading> sealer = sealer(BatchLimits.DEFAULT.withRows(1));
      for (int i = 0; i < 10; i++) {
        sealer.add(reading(i, 1));
      }
      sealer.sealAll().forEach(batch -> ids.add(batch.id()));
    }

    assertThat(ids).hasSize(1000);
  }

  @Test
  void rowIsSealedOnce() throws IOException {
    BatchSealer<Reading> sealer = sealer(BatchLimits.DEFAULT);
    sealer.add(reading(1, 1));

    assertThat(sealer.sealAll()).hasSize(1);
    assertThat(sealer.sealAll()).isEmpty();
  }

  @Test
  void buffersAreReusedForTheNextBatch() throws IOException {
    BatchSealer<Reading> sealer = sealer(BatchLimits.DEFAULT);
    Reading[] rows = new Reading[60_000];
    for (int i = 0; i < rows.length; i++) {
      rows[i] = reading(i, 1);
    }
    // Warm up until the code is compiled, because the interpreter allocates objects too.
    for (int warmUp = 0; warmUp < 20; warmUp++) {
      sealed(sealer, rows);
    }
    long held = sealer.pendingBytes();
    com.sun.management.ThreadMXBean threads =
        (com.sun.management.ThreadMXBean) ManagementFactory.getThreadMXBean();

    long before = threads.getCurrentThreadAllocatedBytes();
    SealedBatch batch = sealed(sealer, rows);
    long allocated = threads.getCurrentThreadAllocatedBytes() - before;

    assertThat(batch.rows()).isEqualTo(rows.length);
    assertThat(CompressedBody.decompress(batch.body())).hasSize((int) batch.rawBytes());
    // The bytes, and as many again for the checksums of the driver's class.
    assertThat(allocated).isLessThan(2L * batch.body().length + (100 << 10));
    assertThat(sealer.pendingBytes()).isEqualTo(held);
  }

  private static SealedBatch sealed(BatchSealer<Reading> sealer, Reading[] rows)
      throws IOException {
    for (Reading row : rows) {
      sealer.add(row);
    }
    return sealer.sealAll().get(0);
  }

  @Test
  void tablesOfATaskManagerShareTheirMemory() throws IOException {
    SinkMemory memory = new SinkMemory(1 << 20);
    List<BatchSealer<Reading>> tables = new ArrayList<>();
    for (int table = 0; table < 3; table++) {
      tables.add(sealer(limits(100_000, 1 << 30, 100, 1 << 30), folder(), memory));
    }
    long greatest = 0;
    for (int i = 0; i < 90_000; i++) {
      tables.get(i % 3).add(reading(i, i % 5));
      greatest = Math.max(greatest, memory.held());
    }

    assertThat(greatest).isGreaterThan(memory.limit() / 2).isLessThan(2 * memory.limit());
    assertThat(tables)
        .allSatisfy(
            table -> {
              assertThat(table.sealedEarly()).isPositive();
              List<SealedBatch> batches = table.sealAll();
              assertThat(batches.stream().mapToInt(SealedBatch::rows).sum()).isEqualTo(30_000);
              assertThat(batches).as("no batch of a few rows each").hasSizeLessThan(1_000);
            });
    tables.forEach(BatchSealer::close);
    assertThat(memory.held()).isZero();
  }

  @Test
  void sealedBatchesAboveTheMemoryLimitAreSpilledToFiles() throws IOException {
    SinkMemory memory = new SinkMemory(Long.MAX_VALUE);
    BatchLimits limits =
        new BatchLimits(10, 1 << 20, 4, 100 << 10, 1 << 20, MINUTE, MINUTE, MINUTE);
    BatchSealer<Reading> sealer = sealer(limits, folder(), memory);
    for (int i = 0; i < 20_000; i++) {
      sealer.add(reading(i, 1));
      assertThat(memory.held()).isLessThan(2 * limits.openBytes());
    }

    List<SealedBatch> batches = sealer.sealAll();

    assertThat(sealer.spilled()).isPositive().isLessThan(batches.size());
    assertThat(batches.stream().mapToInt(SealedBatch::rows).sum()).isEqualTo(20_000);
    assertThat(batches)
        .allSatisfy(
            batch -> assertThat(batch.body().length == 0).isEqualTo(!batch.file().isEmpty()));
  }

  @Test
  void jobWithoutAFolderStopsBeforeTheHeapIsFull() throws IOException {
    SinkMemory memory = new SinkMemory(1 << 20);
    BatchSealer<Reading> sealer = sealer(BatchLimits.DEFAULT.withRows(100), "", memory);

    assertThatThrownBy(
            () -> {
              for (int i = 0; i < 1_000_000; i++) {
                sealer.add(reading(i, 1));
              }
            })
        .isInstanceOf(IOException.class)
        .hasMessageContaining("table readings")
        .hasMessageContaining("clickhouse.spill-directory")
        .hasMessageContaining("Nothing is lost");
    assertThat(memory.held()).isLessThan(2 * memory.limit());
  }

  @Test
  void earlyWriteIsMarkedInItsIdAndNeverSpilled() throws IOException {
    SinkMemory memory = new SinkMemory(1);
    BatchSealer<Reading> sealer =
        new BatchSealer<>(
            Reading.ENCODER,
            BatchSealer.Kind.EARLY,
            BatchLimits.DEFAULT.withRows(4),
            new BatchIds(0),
            "",
            -1,
            () -> 1L,
            memory);
    for (int i = 0; i < 4; i++) {
      sealer.add(reading(i, 1));
    }

    assertThat(sealer.hasSealed()).isTrue();
    assertThat(sealer.takeSealed())
        .isNotEmpty()
        .allSatisfy(batch -> assertThat(batch.id()).endsWith("-early"))
        .allSatisfy(batch -> assertThat(batch.body()).isNotEmpty());
    assertThat(sealer.hasSealed()).isFalse();
    assertThat(sealer.pendingRows()).isZero();
    sealer.close();
    assertThat(memory.held()).isZero();
  }

  /** One INSERT is one batch, and takes about as long whatever its size is. */
  @Test
  void eventsOfAllYearsAreFewBatchesWhateverTheirNumberIs() throws IOException {
    // The decades from 1930 to 2014, and 20 years of months.
    assertThat(batchesOf(LocalDate.of(1935, 1, 1), 1_200, 1)).hasSize(9 + 240);
    assertThat(batchesOf(LocalDate.of(1990, 1, 1), 400, 1)).hasSize(3 + 100);
    assertThat(batchesOf(LocalDate.of(2024, 3, 1), 36, 375)).hasSize(36);
  }

  /** Of a checkpoint's rows, only the last batch of each partition is not full. */
  @Test
  void backlogIsSealedInFullBatches() throws IOException {
    List<SealedBatch> batches = batchesOf(LocalDate.of(2026, 3, 1), 2, 125_000);

    assertThat(batches)
        .extracting(SealedBatch::rows)
        .containsExactlyInAnyOrder(100_000, 100_000, 25_000, 25_000);
  }

  private static List<SealedBatch> batchesOf(LocalDate first, int months, int eventsAMonth)
      throws IOException {
    BatchSealer<EventProcessed> sealer =
        new BatchSealer<>(
            new EventEncoder(),
            BatchSealer.Kind.ROWS,
            BatchLimits.DEFAULT,
            new BatchIds(0),
            "",
            -1,
            () -> 1L,
            new SinkMemory(Long.MAX_VALUE));
    for (int i = 0; i < months * eventsAMonth; i++) {
      LocalDate day = first.plusMonths(i % months).plusDays(i % 28);
      sealer.add(eventOn(day, i));
    }
    List<SealedBatch> batches = sealer.sealAll();
    assertThat(batches.stream().mapToInt(SealedBatch::rows).sum()).isEqualTo(months * eventsAMonth);
    return batches;
  }

  private static EventProcessed eventOn(LocalDate day, int number) {
    return new EventProcessed(
        TestEvent.of(
                EventId.of("e" + number),
                day.toEpochDay() * 86_400_000_000L,
                1,
                "u" + number,
                "page_view")
            .row(),
        "checkout",
        "Checkout",
        "",
        "",
        null,
        "",
        null,
        (int) day.toEpochDay(),
        FindingCode.NO_CODES,
        new RowVersion(8L * number, 0, 8_192L * number, false, ""));
  }

  private static String folder() {
    return Path.of("target", "batch-sealer-test", Long.toString(System.nanoTime(), 36))
        .toAbsolutePath()
        .toUri()
        .toString();
  }

  private static BatchLimits limits(int rows, long bytes, int openPartitions, long openBytes) {
    return new BatchLimits(rows, bytes, openPartitions, openBytes, 0, MINUTE, MINUTE, MINUTE);
  }

  private static BatchSealer<Reading> sealer(BatchLimits limits) {
    return sealer(limits, "", new SinkMemory(Long.MAX_VALUE));
  }

  private static BatchSealer<Reading> sealer(BatchLimits limits, String folder, SinkMemory memory) {
    return new BatchSealer<>(
        Reading.ENCODER,
        BatchSealer.Kind.ROWS,
        limits,
        new BatchIds(0),
        folder,
        -1,
        () -> 1L,
        memory);
  }

  private static Reading reading(long sensor, int month) {
    return new Reading(sensor, month, "reading of sensor " + sensor, 1);
  }
}
