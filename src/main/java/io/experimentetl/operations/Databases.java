package io.experimentetl.operations;

import io.experimentetl.config.JobConfig;
import java.nio.file.Path;
import java.util.Optional;

/**
 * The job's configuration and the two databases it names. Each part is read when a verb asks for
 * it, so a verb that needs only ClickHouse needs no password of PostgreSQL.
 */
public interface Databases {
  /** The file of the job's configuration; empty: the defaults apply. */
  Optional<Path> configFile();

  /**
   * The job's configuration.
   *
   * @throws io.experimentetl.config.InvalidConfigurationException with all errors of the file
   */
  JobConfig config();

  /**
   * The source.
   *
   * @throws OperationsException when nothing names it, or its password is missing
   */
  PostgresLogin postgres();

  /**
   * The warehouse.
   *
   * @throws OperationsException when nothing names it, or its password is missing
   */
  ClickHouseLogin clickHouse();
}
