package io.experimentetl.operations;

import io.experimentetl.cdc.MappingCheck;
import io.experimentetl.cdc.PostgresPreflight;
import io.experimentetl.cdc.PostgresSourceSettings;
import io.experimentetl.config.ConfigurationError;
import io.experimentetl.config.InvalidConfigurationException;
import io.experimentetl.config.JobConfig;
import io.experimentetl.config.SourceConfig;
import io.experimentetl.mapping.CaptureSql;
import io.experimentetl.mapping.FoundTable;
import io.experimentetl.mapping.TableBinding;
import io.experimentetl.model.SourceColumn;
import io.experimentetl.model.SourceTable;
import io.experimentetl.replicate.Replication;
import java.io.PrintWriter;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** The verb {@code map}. */
@Command(
    name = "map",
    mixinStandardHelpOptions = true,
    description = {
      "Shows which tables and columns of the source the job reads, and what the source needs for it.",
      "It compares source.tables of the configuration with the source's catalogue, and prints every error with its remedy, what each "
          + "missing part disables, and the SQL for heartbeat, replica identity, publication, grants and slot of these tables. It changes nothing."
    },
    exitCodeListHeading = "Exit codes:%n",
    exitCodeList = {
      "0:the mapping is right; what the source lacks is listed",
      "1:the mapping has errors, each of which is listed"
    })
public final class MapCommand implements Callable<Integer> {
  @Spec private CommandSpec spec;

  @Mixin private final Databases databases;

  @Option(
      names = "--suggest",
      description =
          "prints a mapping to start from, as YAML: it is guessed from the names, types and keys of the source's tables")
  private boolean suggest;

  @Option(names = "--sql", description = "prints only the SQL")
  private boolean onlySql;

  @Option(
      names = "--clickhouse",
      description =
          "prints only the statements that make the replicated tables in ClickHouse, to be reviewed and applied")
  private boolean onlyClickHouse;

  public MapCommand(Databases databases) {
    this.databases = databases;
  }

  @Override
  public Integer call() {
    PrintWriter out = spec.commandLine().getOut();
    JobConfig.Draft draft = draft();
    List<FoundTable> tables = tables();
    if (suggest) {
      new MappingSuggestion(tables).yaml().forEach(out::println);
      out.flush();
      return 0;
    }
    if (onlyClickHouse) {
      return printClickHouse(draft.config(), out);
    }
    SourceConfig source = draft.config().source();
    if (onlySql) {
      out.print(sql(source));
      out.flush();
      return 0;
    }
    List<String> errors = new ArrayList<>(errors(draft, tables));
    errors.addAll(replicatedProblems(draft.config()));
    MappingReport report = new MappingReport(draft.config(), tables);
    report.bindings().forEach(out::println);
    print(out, "Not there:", report.gaps());
    out.printf("%n%s", sql(source));
    if (errors.isEmpty()) {
      print(out, "The source still lacks:", unmet(draft.config()));
      out.printf("%nThe mapping is right.%n");
    } else {
      print(
          out,
          errors.size() == 1
              ? "The mapping has one error:"
              : "The mapping has %d errors:".formatted(errors.size()),
          errors);
    }
    out.flush();
    return errors.isEmpty() ? 0 : 1;
  }

  private List<String> replicatedProblems(JobConfig config) {
    PostgresLogin postgres = login();
    try (Connection connection = postgres.connect()) {
      return Replication.sourceProblems(
          config.replicate(), connection, PostgresSourceSettings.of(config));
    } catch (SQLException e) {
      throw new OperationsException(
          "PostgreSQL %s cannot be read: %s".formatted(postgres, e.getMessage()), e);
    }
  }

  private static int printClickHouse(JobConfig config, PrintWriter out) {
    try {
      out.print(Replication.ddl(config.replicate(), PostgresSourceSettings.of(config)));
      out.flush();
      return 0;
    } catch (SQLException | IllegalStateException e) {
      throw new OperationsException(e.getMessage(), e);
    }
  }

  private JobConfig.Draft draft() {
    return databases
        .configFile()
        .map(file -> JobConfig.draft(file, NamedServers.environment()))
        .orElseGet(() -> new JobConfig.Draft(JobConfig.defaults(), List.of()));
  }

  private List<FoundTable> tables() {
    PostgresLogin postgres = login();
    try (Connection connection = postgres.connect()) {
      return FoundTable.all(connection);
    } catch (SQLException e) {
      throw new OperationsException(
          "PostgreSQL %s cannot be read: %s".formatted(postgres, e.getMessage()), e);
    }
  }

  private PostgresLogin login() {
    try {
      return databases.postgres();
    } catch (InvalidConfigurationException wrong) {
      // Its other errors are to be found too.
      SourceConfig source = draft().config().source();
      return new PostgresLogin(
          PostgresSourceSettings.of(draft().config()).jdbcUrl(),
          source.username(),
          source.password().value());
    }
  }

  private static void print(PrintWriter out, String head, List<String> lines) {
    if (!lines.isEmpty()) {
      out.printf("%n%s%n", head);
      lines.forEach(line -> out.println("  - " + line));
    }
  }

  private static String sql(SourceConfig source) {
    return CaptureSql.of(source.tables(), source.publication(), source.username()).text()
        + "\n-- The replication slot, last and in a transaction of its own.\n"
        + "SET experiment_etl.slot = '%s';\n".formatted(source.slot())
        + SqlFiles.bundled().slot();
  }

  /** What is wrong in the file, and then what the source does not have. */
  private static List<String> errors(JobConfig.Draft draft, List<FoundTable> tables) {
    List<ConfigurationError> wrong = draft.errors();
    Set<String> paths = wrong.stream().map(ConfigurationError::path).collect(Collectors.toSet());
    List<TableBinding> readable =
        draft.config().source().tables().read(draft.config().outbox().enabled()).stream()
            // map prints the SQL that makes it.
            .filter(binding -> binding.table() != SourceTable.ETL_HEARTBEAT)
            // The default table stands for an entry that cannot be read.
            .filter(
                binding ->
                    paths.stream()
                        .noneMatch(
                            path ->
                                path.equals("source.tables." + binding.entry())
                                    || path.equals("source.tables." + binding.entry() + ".table")))
            .toList();
    String place = PostgresSourceSettings.of(draft.config()).place();
    return Stream.concat(
            wrong.stream().map(ConfigurationError::toString),
            MappingCheck.problems(readable, tables, place, MapCommand::isNeeded).stream()
                .filter(
                    problem ->
                        // The default stands for a column that cannot be read.
                        paths.stream()
                            .noneMatch(
                                path -> path.contains(".columns.") && problem.contains(path))))
        .toList();
  }

  private static boolean isNeeded(SourceColumn<?> column) {
    return !column.isOptional();
  }

  private static List<String> unmet(JobConfig config) {
    return PostgresPreflight.check(PostgresSourceSettings.of(config), false, false);
  }
}
