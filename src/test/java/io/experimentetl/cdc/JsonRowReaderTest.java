package io.experimentetl.cdc;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.ObjectMapper;
import io.experimentetl.mapping.TableBinding;
import io.experimentetl.model.EventRow;
import io.experimentetl.model.ExperimentRow;
import io.experimentetl.model.OutboxRow;
import io.experimentetl.model.SourceRow;
import io.experimentetl.model.SourceTable;
import io.experimentetl.model.UnreadableRow;
import io.experimentetl.warehouse.WarehouseRange;
import org.junit.jupiter.api.Test;

/** Times as Debezium's topics have them. */
class JsonRowReaderTest {
  private static SourceRow read(SourceTable table, String json) throws Exception {
    return new JsonRowReader(TableBinding.defaults(table, "public"))
        .read(new ObjectMapper().readTree(json), null);
  }

  @Test
  void timeThatClickHouseCannotHoldIsTheNearestThatItCan() throws Exception {
    ExperimentRow experiment =
        (ExperimentRow)
            read(
                SourceTable.EXPERIMENTS,
                "{\"id\": 1, \"key\": \"k\", \"name\": \"n\", \"status\": \"ACTIVE\", \"version\": 1,"
                    + " \"starts_at\": \"-infinity\", \"ends_at\": \"infinity\","
                    + " \"created_at\": \"0200-01-01T00:00:00Z\", \"updated_at\": \"+294276-12-31T23:59:59Z\"}");

    assertThat(experiment.startsAt()).isEqualTo(WarehouseRange.FIRST);
    assertThat(experiment.endsAt()).isEqualTo(WarehouseRange.LAST);
    assertThat(experiment.createdAt()).isEqualTo(WarehouseRange.FIRST);
    assertThat(experiment.updatedAt()).isEqualTo(WarehouseRange.LAST);
    assertThat(WarehouseRange.columnsAtEnd(SourceTable.EXPERIMENTS, experiment))
        .containsExactly("starts_at", "ends_at", "created_at", "updated_at");
  }

  @Test
  void timeOfAKeyIsKept() throws Exception {
    String event =
        "{\"id\": \"00000000-0000-0000-0000-000000000001\", \"timestamp\": \"%s\", \"experiment_id\": 1,"
            + " \"user_id\": \"u\", \"event_type\": \"exposure\", \"assignment_at\": \"infinity\"}";
    EventRow roman = (EventRow) read(SourceTable.EVENTS, event.formatted("0200-03-01T12:00:00Z"));
    EventRow never = (EventRow) read(SourceTable.EVENTS, event.formatted("infinity"));

    assertThat(roman.occurredAt()).isEqualTo(-55_850_644_800_000_000L);
    assertThat(roman.assignmentAt()).isEqualTo(WarehouseRange.LAST);
    assertThat(never.occurredAt()).isEqualTo(Long.MAX_VALUE);
    assertThat(WarehouseRange.keyOutside(SourceTable.EVENTS, never)).isEqualTo("timestamp");
  }

  @Test
  void infinityInATableThatClickHouseDoesNotHaveIsUnreadable() throws Exception {
    String row =
        "{\"id\": 1, \"aggregate_id\": \"a\", \"aggregate_type\": \"t\", \"event_type\": \"EVENT_CREATED\","
            + " \"payload\": \"{}\", \"created_at\": \"%s\"}";
    assertThat(read(SourceTable.OUTBOX_EVENTS, row.formatted("2026-01-01T00:00:00Z")))
        .isInstanceOf(OutboxRow.class);
    assertThat(read(SourceTable.OUTBOX_EVENTS, row.formatted("infinity")))
        .isInstanceOf(UnreadableRow.class);
  }
}
