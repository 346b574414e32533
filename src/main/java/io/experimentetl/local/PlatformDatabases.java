package io.experimentetl.local;

import io.experimentetl.config.JobConfig;
import io.experimentetl.operations.ClickHouseLogin;
import io.experimentetl.operations.Databases;
import io.experimentetl.operations.NamedServers;
import io.experimentetl.operations.PostgresLogin;
import java.nio.file.Path;
import java.util.Optional;
import picocli.CommandLine.Mixin;

/**
 * The databases that the command line names, else those of the running platform; a picocli mixin.
 */
final class PlatformDatabases implements Databases {
  @Mixin private Place place;

  @Mixin private NamedServers named;

  private Databases chosen() {
    return named.areGiven() ? named : place.running().databases();
  }

  @Override
  public Optional<Path> configFile() {
    return chosen().configFile();
  }

  @Override
  public JobConfig config() {
    return chosen().config();
  }

  @Override
  public PostgresLogin postgres() {
    return chosen().postgres();
  }

  @Override
  public ClickHouseLogin clickHouse() {
    return chosen().clickHouse();
  }
}
