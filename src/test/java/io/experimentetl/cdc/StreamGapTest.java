package io.experimentetl.cdc;

import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.mapping.SourceMapping;
import io.experimentetl.model.Change;
import io.experimentetl.postgres.pgoutput.PgOutputMessages;
import io.experimentetl.postgres.pgoutput.Relation;
import io.experimentetl.postgres.pgoutput.ValueFormat;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.apache.flink.types.Either;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Tables whose columns or names change while the stream is read. */
class StreamGapTest {
  private static final int INT8 = 20;
  private static final int TEXT = 25;
  private static final int TIMESTAMPTZ = 1184;
  private static final Map<Integer, ValueFormat> FORMATS =
      Map.of(
          INT8, ValueFormat.INTEGER,
          TEXT, ValueFormat.TEXT,
          TIMESTAMPTZ, ValueFormat.TIMESTAMPTZ);

  private static final int EVENTS = 503;

  private final List<Either<ReaderNotice, Change>> output = new ArrayList<>();
  private final StreamDecoder decoder =
      new StreamDecoder(SourceMapping.defaults("public"), FORMATS::get, output::add);

  @BeforeEach
  void beginTransaction() {
    decoder.startStream(true);
    decoder.decode(PgOutputMessages.begin(1000, 1_000_000, 77), 10);
  }

  private void announce(String schema, String table, String device) {
    decoder.decode(
        PgOutputMessages.relation(
            new Relation(
                EVENTS,
                schema,
                table,
                List.of(
                    new Relation.Column("id", TEXT),
                    new Relation.Column("timestamp", TIMESTAMPTZ),
                    new Relation.Column("experiment_id", INT8),
                    new Relation.Column("user_id", TEXT),
                    new Relation.Column("event_type", TEXT),
                    new Relation.Column(device, TEXT)))),
        50);
  }

  private void insert() {
    decoder.decode(
        PgOutputMessages.insert(
            EVENTS, Arrays.asList("e", "2026-11-20 12:00:00+00", "1", "u", "t", "phone")),
        100);
  }

  private List<ReaderNotice> notices() {
    return output.stream().filter(Either::isLeft).map(Either::left).toList();
  }

  @Test
  void columnRenamedAwayAndBackIsNoticedBeforeTheRowThatComesWithoutIt() {
    announce("public", "events", "device_id");
    insert();
    int before = output.size();
    announce("public", "events", "device");
    insert();
    announce("public", "events", "device_id");
    insert();

    List<Either<ReaderNotice, Change>> later = output.subList(before, output.size());
    assertThat(later.stream().filter(Either::isLeft).map(Either::left))
        .filteredOn(notice -> notice.gap() != null)
        .extracting(ReaderNotice::gap)
        .contains(new StreamGap(EVENTS, "device_id"));
    assertThat(later.stream().filter(Either::isLeft).map(Either::left))
        .filteredOn(notice -> notice.drift() != null)
        .extracting(notice -> notice.drift().reason())
        .containsExactly(
            "The column device_id of events was renamed to device, or replaced by it: it counts as NULL in the rows that are written from now on.");
    assertThat(later.get(later.size() - 1).isRight()).isTrue();
  }

  @Test
  void rowsOfATableThatHasAnotherNameOrSchemaAreNoticed() {
    for (String[] name : new String[][] {{"public", "clicks"}, {"archive", "events"}}) {
      output.clear();
      announce(name[0], name[1], "device_id");
      insert();

      assertThat(notices()).extracting(ReaderNotice::gap).containsExactly(StreamGap.ofRows(EVENTS));
      assertThat(output).noneMatch(Either::isRight);
    }
  }

  @Test
  void gapIsPrintedForTheState() {
    for (StreamGap gap :
        List.of(StreamGap.ofRows(4_000_000_000L), new StreamGap(EVENTS, "device_id"))) {
      assertThat(StreamGap.parse(gap.print())).isEqualTo(gap);
    }
  }
}
