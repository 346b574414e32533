package io.experimentetl.config;

import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.mapping.ReplicatedTable;
import io.experimentetl.mapping.ReplicatedTable.NewColumns;
import io.experimentetl.mapping.ReplicatedTable.Truncate;
import io.experimentetl.mapping.ReplicatedTable.Ttl;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

class ReplicateConfigTest {
  private static final Map<String, String> SECRETS =
      Map.of("EXPERIMENT_ETL_SOURCE_PASSWORD", "-", "EXPERIMENT_ETL_CLICKHOUSE_PASSWORD", "-");

  @Test
  void exampleOfThePageIsRead() throws IOException {
    Matcher example =
        Pattern.compile("(?s)```yaml\n(.*?)```")
            .matcher(Files.readString(Path.of("docs/replicated-tables.md")));
    assertThat(example.find()).isTrue();
    assertThat(JobConfig.parse("the page", example.group(1), SECRETS).replicate())
        .containsExactly(
            new ReplicatedTable(
                0,
                "shop",
                "bets",
                "bets",
                List.of("user_id"),
                "placed_at",
                new Ttl("placed_at", 730),
                Truncate.REFUSE,
                NewColumns.ALTER,
                List.of(),
                List.of()),
            new ReplicatedTable(
                1,
                "shop",
                "Lines",
                "order_lines",
                List.of(),
                null,
                null,
                Truncate.APPLY,
                NewColumns.JSON,
                List.of(),
                List.of()));
  }

  @Test
  void everyErrorIsListedAtOnce() {
    String wrong =
        """
        replicate:
          - {table: a.b.c}
          - {table: users, name: buyers}
          - {table: shop.orders, name: events_processed, truncate: maybe}
          - {table: shop.lines, name: 9lines, order-by: [a, a]}
          - {table: shop.x}
          - {table: other.x}
          - {name: y}
        """;
    try {
      JobConfig.parse("the file", wrong, SECRETS);
    } catch (InvalidConfigurationException e) {
      assertThat(e.getMessage())
          .contains(
              "replicate[0].table",
              "is read as users already",
              "which is a table of the job",
              "replicate[2].truncate",
              "which is no plain name",
              "names a column twice",
              "is the name of",
              "replicate[6].table: is missing");
      return;
    }
    throw new AssertionError("no error was found");
  }
}
