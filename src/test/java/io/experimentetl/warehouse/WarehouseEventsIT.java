package io.experimentetl.warehouse;

import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.clickhouse.ClickHouseConnection;
import io.experimentetl.clickhouse.ClickHouseReader;
import io.experimentetl.local.PlatformExtension;
import io.experimentetl.model.EventRow;
import io.experimentetl.operations.ClickHouseEndpoint;
import io.experimentetl.operations.SqlFiles;
import java.net.URI;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

class WarehouseEventsIT {
  private static final int EVENTS = 25_000;

  @RegisterExtension static final PlatformExtension PLATFORM = new PlatformExtension();

  private ClickHouseEndpoint warehouse;
  private WarehouseEvents reader;

  @BeforeEach
  void openWarehouse() throws Exception {
    warehouse = PLATFORM.newClickHouseDatabase("warehouse-events");
    new SqlFiles(Path.of("sql")).applyTo(warehouse, false);
    reader =
        new WarehouseEvents(
            new ClickHouseReader(
                new ClickHouseConnection(
                    URI.create(warehouse.url()),
                    warehouse.database(),
                    warehouse.user(),
                    warehouse::password)));
  }

  @AfterEach
  void close() {
    reader.close();
  }

  /** All of them differ by their ids alone, so pages end between two ids. */
  @Test
  void pagesHoldEachEventOfOneUserAndTimeOnce() throws Exception {
    warehouse.query(
        "INSERT INTO events_processed (event_id, source_id, timestamp, experiment_id, user_id, event_type, _version)"
            + " SELECT if(number = 0, toUUID('00000000-0000-0000-0000-000000000000'), generateUUIDv4(number)),"
            + " if(number % 2 = 0, toString(number), NULL), '2026-03-01 09:00:00', 1, 'u1', 'purchase', 1"
            + " FROM numbers("
            + EVENTS
            + ")");
    List<EventRow> newest = new ArrayList<>();
    reader.read(List.of("u1"), List.of("purchase"), Long.MIN_VALUE, newest::add);
    assertThat(newest)
        .hasSize(EVENTS)
        .extracting(EventRow::id)
        .doesNotHaveDuplicates()
        .filteredOn(id -> id.sourceId() != null)
        .hasSize(EVENTS / 2);

    List<EventRow> asOf = new ArrayList<>();
    reader.readAsOf(List.of(1L), List.of("u1"), 1, asOf::add, assignment -> {});
    assertThat(asOf).containsExactlyElementsOf(newest);
  }
}
