package io.experimentetl.local;

import io.experimentetl.operations.ClickHouseEndpoint;
import io.experimentetl.operations.SqlFiles;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

@Command(
    name = "forget",
    mixinStandardHelpOptions = true,
    description =
        "Removes physically what users left in ClickHouse who were erased more than a day ago: sql/clickhouse/scheduled, which your scheduler runs daily.")
final class ForgetCommand implements Callable<Integer> {
  private static final String ERASED =
      "SELECT countDistinct(user_id) FROM users WHERE _deleted AND _delete_reason = 'erasure'";

  @Mixin Etl.Place place;

  @Override
  public Integer call() {
    ClickHouseEndpoint warehouse = place.running().clickHouse();
    long before = Long.parseLong(warehouse.query(ERASED));
    new SqlFiles(place.home().resolve("sql")).forgetErasedUsers(warehouse);
    long after = Long.parseLong(warehouse.query(ERASED));
    System.out.printf(
        "%,d erased users forgotten; %,d were erased within the last day%n",
        Math.max(0, before - after), after);
    return 0;
  }
}
