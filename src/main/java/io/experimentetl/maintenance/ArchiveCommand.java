package io.experimentetl.maintenance;

import io.experimentetl.archive.Manifest;
import io.experimentetl.archive.MonthArchiver.Due;
import io.experimentetl.operations.ColdStorage;
import io.experimentetl.operations.Databases;
import io.experimentetl.operations.Lines;
import io.experimentetl.operations.OperationsException;
import java.time.Clock;
import java.time.DateTimeException;
import java.time.YearMonth;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.function.Consumer;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** The verb {@code archive}. */
@Command(
    name = "archive",
    mixinStandardHelpOptions = true,
    description = {
      "Moves months that are older than retention.clickhouse from ClickHouse to the archive.",
      "The months of events and assignments become Parquet files with a manifest, in the place that the section archive of the "
          + "configuration names. Nothing is removed from ClickHouse before the files were read back and found equal. It only lists the "
          + "months unless --execute is given."
    },
    exitCodeListHeading = "Exit codes:%n",
    exitCodeList = {"0:done, or listed", "1:refused or not finished; the message says why"})
public final class ArchiveCommand implements Callable<Integer> {
  @Spec private CommandSpec spec;

  @Mixin private final Databases databases;

  @ArgGroup private final What what = new What();

  /** What is done; by default it lists what would be moved. */
  private static final class What {
    @Option(names = "--execute", description = "moves the months")
    private boolean execute;

    @Option(names = "--list", description = "lists what is archived")
    private boolean list;

    @Option(
        names = "--restore",
        paramLabel = "MONTH",
        description =
            "copies a month, such as 2024-01, into events_archive and assignments_archive, without users who were erased since")
    private String restore;
  }

  public ArchiveCommand(Databases databases) {
    this.databases = databases;
  }

  @Override
  public Integer call() {
    Consumer<String> lines = Lines.to(spec.commandLine().getOut());
    ColdStorage storage = new ColdStorage(databases, Clock.systemUTC());
    if (what.restore != null) {
      storage.restore(month(what.restore), lines);
    } else if (what.list) {
      List<Manifest> manifests = storage.list();
      manifests.forEach(manifest -> lines.accept(ColdStorage.print(manifest)));
      if (manifests.isEmpty()) {
        lines.accept("nothing is archived");
      }
    } else if (what.execute) {
      WarehouseRetention.of(databases).stopForArchive();
      if (storage.archive(lines).isEmpty()) {
        lines.accept("nothing was moved");
      }
    } else {
      List<Due> due = storage.due();
      due.forEach(month -> lines.accept(ColdStorage.print(month)));
      lines.accept(due.isEmpty() ? "no month is due" : "nothing was moved: give --execute");
    }
    return 0;
  }

  private static YearMonth month(String text) {
    try {
      return YearMonth.parse(text);
    } catch (DateTimeException e) {
      throw new OperationsException(text + " is no month: give one such as 2024-01", e);
    }
  }
}
