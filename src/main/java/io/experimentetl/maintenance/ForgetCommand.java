package io.experimentetl.maintenance;

import io.experimentetl.archive.Manifest;
import io.experimentetl.operations.ClickHouseLogin;
import io.experimentetl.operations.ColdStorage;
import io.experimentetl.operations.Databases;
import io.experimentetl.operations.Lines;
import io.experimentetl.operations.OperationsException;
import io.experimentetl.operations.SqlFiles;
import java.time.Clock;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.function.Consumer;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

/** The verb {@code forget}. */
@Command(
    name = "forget",
    mixinStandardHelpOptions = true,
    description =
        "Deletes from ClickHouse's disks the rows of users who were erased more than a day ago, and from the archive those of all erased users. Run it daily by a scheduler.")
public final class ForgetCommand implements Callable<Integer> {
  private static final String ERASED =
      "SELECT countDistinct(user_id) FROM users WHERE _deleted AND _delete_reason = 'erasure'";

  /** All that was committed up to this time is visible. No row: nothing is known to be. */
  private static final String VISIBLE_UNTIL =
      "SELECT toString(least(committed_at, written_at)) FROM etl_progress WHERE snapshot_done AND lsn IS NOT NULL";

  @Spec private CommandSpec spec;

  @Mixin private final Databases databases;

  public ForgetCommand(Databases databases) {
    this.databases = databases;
  }

  @Override
  public Integer call() {
    ClickHouseLogin warehouse = databases.clickHouse();
    long before = warehouse.count(ERASED);
    List<Manifest> archived = forget(databases, Clock.systemUTC());
    long after = warehouse.count(ERASED);
    Consumer<String> log = Lines.to(spec.commandLine().getOut());
    archived.forEach(month -> log.accept("rewritten  " + ColdStorage.print(month)));
    log.accept(
        "%,d erased users forgotten; %,d were erased within the last day"
            .formatted(Math.max(0, before - after), after));
    return 0;
  }

  /**
   * Deletes them, from the archive first: after that the warehouse no longer knows who was erased.
   *
   * @return the manifests that changed
   * @throws OperationsException also if the archive can't be changed; then nobody is forgotten
   */
  static List<Manifest> forget(Databases databases, Clock clock) {
    ColdStorage storage = new ColdStorage(databases, clock);
    ClickHouseLogin warehouse = databases.clickHouse();
    if (!storage.isOn()) {
      SqlFiles.bundled().forgetErasedUsers(warehouse);
      return List.of();
    }
    // Read before the archive learns who was erased.
    List<String> visibleUntil = warehouse.list(VISIBLE_UNTIL, row -> row.getString(1));
    List<Manifest> archived;
    try {
      archived = storage.forget();
    } catch (OperationsException e) {
      throw new OperationsException(
          "nobody is forgotten, in ClickHouse neither, because the archive must forget first: %s. The next forget or daily maintenance does both"
              .formatted(e.getMessage()),
          e);
    }
    visibleUntil.forEach(time -> SqlFiles.bundled().forgetErasedUsers(warehouse, time));
    return archived;
  }
}
