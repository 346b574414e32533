package io.experimentetl.clickhouse;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.util.List;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;

class CommittableSerializerTest {

  private final CommittableSerializer serializer = new CommittableSerializer();

  @Property(tries = 100)
  void batchIsReadBackUnchanged(
      @ForAll byte[] body, @ForAll long partition, @ForAll int rows, @ForAll long sealedAt)
      throws IOException {
    SealedBatch batch =
        new SealedBatch(
            "events",
            "k3-0-1",
            partition,
            rows,
            123L,
            sealedAt,
            -1,
            TableSchema.of("events").column("at", "DateTime64(6, 'UTC')").insertColumns(),
            body,
            "file:/x");

    Committable back = serializer.deserialize(1, serializer.serialize(batch));

    assertThat(back).usingRecursiveComparison().isEqualTo(batch);
  }

  @Property(tries = 20)
  void markerIsReadBackUnchanged(
      @ForAll int subtask, @ForAll long lsn, @ForAll boolean done, @ForAll boolean replayStable)
      throws IOException {
    SealedMarker marker =
        new SealedMarker(
            "events", subtask, 3, new ProgressMarker(7, lsn, 5, done, replayStable), 11);

    assertThat(serializer.deserialize(1, serializer.serialize(marker))).isEqualTo(marker);
  }

  @Test
  void batchOfAnotherFormatIsRefusedWithTheRemedy() {
    assertThatThrownBy(() -> serializer.deserialize(2, new byte[0]))
        .isInstanceOf(IOException.class)
        .hasMessageContaining("version 2")
        .hasMessageContaining("savepoint");
  }

  @Test
  void batchPrintsItsNameAndNotItsRows() {
    SealedBatch batch =
        new SealedBatch("events", "k3-0-1", 202611, 5, 1, 1, -1, List.of(), new byte[] {1}, "");
    assertThat(batch).hasToString("batch k3-0-1 of table events (partition 202611, 5 rows)");
  }
}
