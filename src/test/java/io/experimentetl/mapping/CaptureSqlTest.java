package io.experimentetl.mapping;

import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.model.SourceTable;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/**
 * {@code sql/postgres/002_etl.sql} is what {@code map} prints for the default tables. With {@code
 * -Dsql.write=true} this test writes it.
 */
class CaptureSqlTest {
  private static final Path FILE = Path.of("sql/postgres/002_etl.sql");
  private static final String WRITE = "mvn -o test -Dtest=CaptureSqlTest -Dsql.write=true";

  @Test
  void fileForTheDefaultTablesIsWhatMapPrints() throws IOException {
    String printed =
        CaptureSql.of(SourceMapping.defaults("public"), "experiment_etl", "experiment_etl").text();
    if (Boolean.getBoolean("sql.write")) {
      Files.writeString(FILE, printed);
    } else {
      assertThat(Files.readString(FILE))
          .as(FILE + " is stale. Edit src/main/resources/mapping/capture.sql, and run " + WRITE)
          .isEqualTo(printed);
    }
  }

  @Test
  void tablesOfOtherSchemasAndNamesAreQuoted() {
    SourceMapping mapping =
        new SourceMapping(
            "ops",
            List.of(
                table(SourceTable.EVENTS, "shop", "orders"),
                table(SourceTable.EVENTS, "Shop 2", "o'rders"),
                table(SourceTable.ASSIGNMENTS, "shop", "orders"),
                TableBinding.defaults(SourceTable.ETL_HEARTBEAT, "ops")));
    String printed = CaptureSql.of(mapping, "cdc", "O'Neil").text();
    assertThat(printed)
        .contains("\nSET search_path TO ops;\n")
        .contains("ARRAY ['shop.orders', '\"Shop 2\".\"o''rders\"', 'etl_heartbeat']::regclass[];")
        .contains("'CREATE PUBLICATION cdc FOR TABLE %s")
        .contains("CREATE ROLE \"O'Neil\" LOGIN REPLICATION;")
        .contains("WHERE rolname = 'O''Neil'")
        .doesNotContain("outbox", "${");
  }

  private static TableBinding table(SourceTable table, String schema, String name) {
    return new TableBinding(name, table, true, schema, name, Map.of(), RowFilter.ALL);
  }
}
