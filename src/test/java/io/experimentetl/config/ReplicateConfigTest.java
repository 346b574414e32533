package io.experimentetl.config;

import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.mapping.Lookup;
import io.experimentetl.mapping.Lookup.Names;
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
                List.of(),
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
                List.of(),
                List.of(),
                List.of()));
  }

  @Test
  void lookupsOfThePageAreRead() throws IOException {
    Matcher example =
        Pattern.compile("(?s)```yaml\n(.*?)```")
            .matcher(Files.readString(Path.of("docs/replicated-tables.md")));
    assertThat(example.find()).as("the whole section").isTrue();
    assertThat(example.find()).as("the lookups").isTrue();
    assertThat(JobConfig.parse("the page", example.group(1), SECRETS).replicate().get(1).lookups())
        .containsExactly(
            new Lookup(
                "replicate[1].lookups[0]",
                "events",
                List.of(new Names("event_id", "id")),
                List.of(new Names("event_category", "category"), new Names("event_name", "name")),
                true),
            new Lookup(
                "replicate[1].lookups[1]",
                "users",
                List.of(new Names("user_id", "user_id")),
                List.of(new Names("user_name", "name")),
                true),
            new Lookup(
                "replicate[1].lookups[2]",
                "events",
                List.of(new Names("event_id", "id")),
                List.of(new Names("name_when_placed", "name")),
                false));
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
          - table: shop.slips
            lookups:
              - {table: shop.nothing, on: {a: id}, columns: {b: name}}
              - {table: shop.orders, columns: {b-c: name}}
              - {table: shop.orders, on: {a: id}, columns: {b: name, c: name}}
              - {table: shop.lines, on: {a: id}, columns: {c: name}}
              - {table: users, on: {a: id}, columns: {d: created_at}}
              - {on: {a: id}, columns: {e: name}}
            rollups:
              - {day: placed_at, by: [day]}
              - {name: events_daily, day: placed_at, zone: Mars}
              - {name: slips, day: placed_at}
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
              "replicate[6].table: is missing",
              "replicate[7].lookups[0].table: is shop.nothing, which is neither",
              "replicate[7].lookups[1].on: names no column",
              "replicate[7].lookups[3].columns.c: is a column of another lookup",
              "replicate[7].lookups[4].on: does not name the key of the users",
              "replicate[7].lookups[4].columns.d: is \"created_at\"",
              "replicate[7].lookups[4].rewrite: is not true",
              "replicate[7].lookups[5].table: is missing",
              "replicate[7].rollups[0].name: is missing",
              "replicate[7].rollups[0].by: names day or rows",
              "replicate[7].rollups[1].name: is \"events_daily\"",
              "replicate[7].rollups[1].zone: is \"Mars\"",
              "replicate: has a table and a rollup of the name slips");
      return;
    }
    throw new AssertionError("no error was found");
  }
}
