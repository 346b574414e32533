package io.experimentetl.operations;

import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

/** The verb {@code forget}. */
@Command(
    name = "forget",
    mixinStandardHelpOptions = true,
    description =
        "Deletes from ClickHouse's disks the rows of users who were erased more than a day ago. Run it daily by a scheduler.")
public final class ForgetCommand implements Callable<Integer> {
  private static final String ERASED =
      "SELECT countDistinct(user_id) FROM users WHERE _deleted AND _delete_reason = 'erasure'";

  @Spec private CommandSpec spec;

  @Mixin private final Databases databases;

  public ForgetCommand(Databases databases) {
    this.databases = databases;
  }

  @Override
  public Integer call() {
    ClickHouseLogin warehouse = databases.clickHouse();
    long before = warehouse.count(ERASED);
    SqlFiles.bundled().forgetErasedUsers(warehouse);
    long after = warehouse.count(ERASED);
    Lines.to(spec.commandLine().getOut())
        .accept(
            "%,d erased users forgotten; %,d were erased within the last day"
                .formatted(Math.max(0, before - after), after));
    return 0;
  }
}
