package io.experimentetl.clickhouse;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.time.Duration;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

class BatchSealerTest {

  private static final Duration MINUTE = Duration.ofMinutes(1);

  @Test
  void aBatchHoldsTheRowsOfOnePartition() throws IOException {
    BatchSealer<Reading> sealer = sealer(BatchLimits.DEFAULT);
    for (int i = 0; i < 10; i++) {
      sealer.add(reading(i, 202600 + i % 3));
    }

    List<SealedBatch> batches = sealer.sealAll();

    assertThat(batches).extracting(SealedBatch::partition).containsOnly(202600L, 202601L, 202602L);
    assertThat(batches).extracting(SealedBatch::rows).containsExactlyInAnyOrder(4, 3, 3);
  }

  @Test
  void aBatchIsSealedAtItsNumberOfRows() throws IOException {
    BatchSealer<Reading> sealer = sealer(BatchLimits.DEFAULT.withRows(4));
    for (int i = 0; i < 10; i++) {
      sealer.add(reading(i, 1));
    }

    assertThat(sealer.sealAll()).extracting(SealedBatch::rows).containsExactly(4, 4, 2);
  }

  @Test
  void aBatchIsSealedAtItsBytes() throws IOException {
    BatchSealer<Reading> sealer = sealer(limits(1000, 100, 16, 1 << 30));
    for (int i = 0; i < 10; i++) {
      sealer.add(reading(i, 1));
    }

    assertThat(sealer.sealAll())
        .hasSizeGreaterThan(1)
        .allSatisfy(batch -> assertThat(batch.rawBytes()).isLessThan(200));
  }

  @Test
  void theFullestBatchMakesRoomForAnotherPartition() throws IOException {
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
  void openBatchesHoldNoMoreMemoryThanAllowed() throws IOException {
    long allowed = 40 << 10;
    BatchSealer<Reading> sealer = sealer(limits(100_000, 1 << 30, 100, allowed));
    for (int i = 0; i < 5_000; i++) {
      sealer.add(reading(i, i % 5));
    }

    assertThat(sealer.sealedEarly()).isPositive();
    assertThat(sealer.sealAll().stream().mapToInt(SealedBatch::rows).sum()).isEqualTo(5_000);
    assertThat(sealer.pendingBytes()).isZero();
  }

  @Test
  void aRowThatCannotBeEncodedLeavesNoTrace() throws IOException {
    BatchSealer<Reading> sealer = sealer(BatchLimits.DEFAULT);
    sealer.add(reading(1, 1));
    assertThatThrownBy(() -> sealer.add(new Reading(2, 1, null, 1)))
        .isInstanceOf(UnencodableValueException.class)
        .hasMessageContaining("table readings")
        .hasMessageContaining("NULL");
    sealer.add(reading(3, 1));

    SealedBatch batch = sealer.sealAll().get(0);

    assertThat(batch.rows()).isEqualTo(2);
    RowBinaryWriter expected = new RowBinaryWriter(64);
    for (int sensor : new int[] {1, 3}) {
      Reading.ENCODER.encode(reading(sensor, 1), expected);
      expected.writeString(batch.id());
    }
    assertThat(CompressedBody.decompress(batch.body())).isEqualTo(expected.toByteArray());
  }

  @Test
  void aBatchOfManyFramesDecompressesToItsRows() throws IOException {
    BatchSealer<Reading> sealer = sealer(BatchLimits.DEFAULT);
    for (int i = 0; i < 60_000; i++) {
      sealer.add(reading(i, 1));
    }

    SealedBatch batch = sealer.sealAll().get(0);

    assertThat(batch.rawBytes()).isGreaterThan(2L * CompressedBody.FRAME_BYTES);
    assertThat(CompressedBody.decompress(batch.body())).hasSize((int) batch.rawBytes());
  }

  @Test
  void noTwoBatchesHaveOneIdAlsoNotOfWritersThatStartFromTheSameCheckpoint() throws IOException {
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
  void nothingIsSealedTwice() throws IOException {
    BatchSealer<Reading> sealer = sealer(BatchLimits.DEFAULT);
    sealer.add(reading(1, 1));

    assertThat(sealer.sealAll()).hasSize(1);
    assertThat(sealer.sealAll()).isEmpty();
  }

  private static BatchLimits limits(int rows, long bytes, int openPartitions, long openBytes) {
    return new BatchLimits(rows, bytes, openPartitions, openBytes, 0, MINUTE, MINUTE, MINUTE);
  }

  private static BatchSealer<Reading> sealer(BatchLimits limits) {
    return new BatchSealer<>(Reading.ENCODER, limits, new BatchIds(0), "", -1, () -> 1L);
  }

  private static Reading reading(long sensor, int month) {
    return new Reading(sensor, month, "reading of sensor " + sensor, 1);
  }
}
