package io.experimentetl.warehouse;

import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.config.ClickHouseConfig;
import io.experimentetl.config.ConfigBuilder;
import io.experimentetl.config.Secret;
import io.experimentetl.local.ClickHouseEndpoint;
import io.experimentetl.local.PlatformExtension;
import io.experimentetl.model.AssignmentRow;
import io.experimentetl.model.EventId;
import io.experimentetl.model.EventRow;
import io.experimentetl.model.TestEvent;
import io.experimentetl.operations.SqlFiles;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

class WarehouseEventsIT {
  @RegisterExtension static final PlatformExtension PLATFORM = new PlatformExtension();

  private static final String ID = "00000000-0000-4000-8000-00000000000";
  private static final String USER = "it's \\ tab\t中";

  private ClickHouseEndpoint warehouse;
  private RawEvents rows;

  @BeforeEach
  void threeEventsAndTwoAssignments() throws Exception {
    warehouse = PLATFORM.newClickHouseDatabase("rows");
    new SqlFiles(Path.of("sql")).applyTo(warehouse.login(), false);
    warehouse.query("SYSTEM STOP MERGES " + warehouse.database() + ".events_processed");
    insertEvent("1", 100, 1024, 0, "41", "'{\"a\": \"\\\\t\\'\"}'");
    insertEvent("2", 200, 1024, 0, "NULL", "NULL");
    insertEvent("2", 200, 2048, 1, "NULL", "NULL");
    insertEvent("3", -300, 4096, 0, "NULL", "''");
    for (int id : new int[] {7, 8}) {
      warehouse.query(
          "INSERT INTO assignments_processed (id, experiment_id, user_id, variant_id, version, source, assigned_at,"
              + " enrolled_at, created_at, updated_at, _version, _deleted) VALUES ("
              + id
              + ", 4, "
              + literal(USER)
              + ", 41, 3, 'hash', fromUnixTimestamp64Micro(-1, 'UTC'), NULL, fromUnixTimestamp64Micro(2, 'UTC'),"
              + " fromUnixTimestamp64Micro(3, 'UTC'), 1024, "
              + (id - 7)
              + ")");
    }
    Path password =
        Files.writeString(PLATFORM.directory().resolve("rows-password"), warehouse.password());
    rows =
        WarehouseEvents.open(
            ConfigBuilder.defaults()
                .with(ClickHouseConfig::url, warehouse.url())
                .with(ClickHouseConfig::database, warehouse.database())
                .with(ClickHouseConfig::username, warehouse.user())
                .with(ClickHouseConfig::password, Secret.fromFile(password.toString()))
                .build());
  }

  private void insertEvent(
      String id, long micros, long version, int deleted, String variant, String properties) {
    warehouse.query(
        "INSERT INTO events_processed (event_id, source_id, timestamp, experiment_id, user_id, variant_id, event_type, day,"
            + " properties, session_id, device_id, _version, _deleted) VALUES ('"
            + ID
            + id
            + "', 'own "
            + id
            + "', fromUnixTimestamp64Micro("
            + micros
            + ", 'UTC'), 4, "
            + literal(USER)
            + ", "
            + variant
            + ", 'purchase', '2026-01-08', "
            + properties
            + ", 's', 'd', "
            + version
            + ", "
            + deleted
            + ")");
  }

  private static String literal(String text) {
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'";
  }

  private static EventRow event(String id, long at, Long variant, String properties) {
    return TestEvent.of(
            new EventId(0x4000L, 0x8000000000000000L + Long.parseLong(id), "own " + id),
            at,
            4,
            USER,
            "purchase")
        .with("variant_id", variant)
        .with("properties", properties)
        .with("session_id", "s")
        .with("device_id", "d")
        .row();
  }

  @AfterEach
  void close() {
    rows.close();
  }

  @Test
  void newestVersionsOfUsersEventsAreRead() throws Exception {
    List<EventRow> events = new ArrayList<>();

    rows.read(List.of(USER, "other"), List.of("purchase"), -1_000, events::add);

    assertThat(events)
        .containsExactly(event("3", -300, null, ""), event("1", 100, 41L, "{\"a\": \"\\t'\"}"));
    events.clear();
    rows.read(List.of(USER), List.of("exposure"), -1_000, events::add);
    assertThat(events).isEmpty();
  }

  @Test
  void rowsAreReadAsOfAVersion() throws Exception {
    List<EventRow> events = new ArrayList<>();
    List<AssignmentRow> assignments = new ArrayList<>();
    List<RawEvents.Stored> found = new ArrayList<>();

    rows.readAsOf(
        List.of(4L),
        List.of(USER),
        1024,
        (row, stored) -> {
          events.add(row);
          found.add(stored);
        },
        (row, sequence, stored) -> assignments.add(row));

    assertThat(events)
        .as("before the delete")
        .containsExactly(event("1", 100, 41L, "{\"a\": \"\\t'\"}"), event("2", 200, null, null));
    assertThat(assignments)
        .containsExactly(new AssignmentRow(7, 4, USER, 41, 3, "hash", null, -1, null, 2, 3));
    assertThat(found).first().isEqualTo(new RawEvents.Stored(0, 0, 1024, 20_461, Set.of()));
    events.clear();
    rows.readAsOf(
        List.of(4L),
        List.of(USER),
        2048,
        (row, stored) -> events.add(row),
        (row, sequence, stored) -> {});
    assertThat(events).as("after it").extracting(EventRow::occurredAt).containsExactly(100L);
  }

  /** The events differ by their ids alone, so pages end between two ids. */
  @Test
  void pagesReadEachEventOfOneUserAndTimeOnce() throws Exception {
    int count = 25_000;
    warehouse.query(
        "INSERT INTO events_processed (event_id, source_id, timestamp, experiment_id, user_id, event_type, _version)"
            + " SELECT if(number = 0, toUUID('00000000-0000-0000-0000-000000000000'), generateUUIDv4(number)),"
            + " if(number % 2 = 0, toString(number), NULL), '2026-03-01 09:00:00', 1, 'u1', 'purchase', 1"
            + " FROM numbers("
            + count
            + ")");
    List<EventRow> newest = new ArrayList<>();
    rows.read(List.of("u1"), List.of("purchase"), Long.MIN_VALUE, newest::add);
    assertThat(newest)
        .hasSize(count)
        .extracting(EventRow::id)
        .doesNotHaveDuplicates()
        .filteredOn(id -> id.sourceId() != null)
        .hasSize(count / 2);

    List<EventRow> asOf = new ArrayList<>();
    rows.readAsOf(
        List.of(1L),
        List.of("u1"),
        1,
        (row, stored) -> asOf.add(row),
        (row, sequence, stored) -> {});
    assertThat(asOf).containsExactlyElementsOf(newest);
  }
}
