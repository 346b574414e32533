package io.experimentetl.maintenance;

import io.experimentetl.operations.Databases;
import io.experimentetl.operations.OperationsException;
import java.io.PrintWriter;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** The verb {@code partitions}. */
@Command(
    name = "partitions",
    mixinStandardHelpOptions = true,
    description = {
      "Shows and maintains PostgreSQL's monthly partitions (sql/postgres/004_partitions.sql).",
      "cleanup and maintenance only show what they would do unless --execute is given."
    })
public final class PartitionsCommand implements Callable<Integer> {
  private static final Duration STATEMENT_TIMEOUT = Duration.ofHours(12);

  @Spec private CommandSpec spec;

  @Mixin private final Databases databases;

  @Parameters(
      paramLabel = "ACTION",
      description = "health, list, create, analyze, vacuum, cleanup or maintenance")
  private String action;

  @Option(names = "--table", paramLabel = "TABLE", description = "default: all registered ones")
  private String table;

  @Option(
      names = "--months",
      paramLabel = "N",
      description = "of create: months ahead; of cleanup: months to keep, not below the policy")
  private Integer months;

  @Option(names = "--full", description = "of vacuum: VACUUM FULL, which locks each partition")
  private boolean full;

  @Option(names = "--execute", description = "of cleanup and maintenance: changes")
  private boolean execute;

  public PartitionsCommand(Databases databases) {
    this.databases = databases;
  }

  @Override
  public Integer call() {
    PrintWriter out = spec.commandLine().getOut();
    try {
      List<Map<String, Object>> rows = run(new Partitions(databases, STATEMENT_TIMEOUT));
      for (Map<String, Object> row : rows) {
        out.println(
            row.entrySet().stream()
                .filter(value -> value.getValue() != null)
                .map(value -> value.getKey() + "=" + value.getValue())
                .collect(Collectors.joining("  ")));
      }
      out.println(rows.size() + (rows.size() == 1 ? " row" : " rows"));
      out.flush();
      return rows.stream().anyMatch(row -> "FAILED".equals(row.get("outcome"))) ? 1 : 0;
    } catch (SQLException e) {
      throw new OperationsException(
          "PostgreSQL %s refused: %s".formatted(databases.postgres(), e.getMessage()), e);
    }
  }

  private List<Map<String, Object>> run(Partitions partitions) throws SQLException {
    return switch (action) {
      case "health" -> partitions.health();
      case "list" -> partitions.list(table);
      case "create" -> partitions.create(table, months);
      case "analyze" -> partitions.analyze(table);
      case "vacuum" -> partitions.vacuum(table, full);
      case "cleanup" -> partitions.drop(table, months, !execute);
      case "maintenance" -> partitions.maintain(table, !execute);
      default ->
          throw new OperationsException(
              action
                  + " is no action: give health, list, create, analyze, vacuum, cleanup or maintenance");
    };
  }
}
