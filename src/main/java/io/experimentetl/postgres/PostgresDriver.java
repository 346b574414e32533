package io.experimentetl.postgres;

import java.sql.Connection;
import java.sql.SQLException;
import java.util.Properties;
import org.postgresql.Driver;

/**
 * PostgreSQL's JDBC driver inside the job's own jar. {@link java.sql.DriverManager} does not see it
 * there, and keeps what is registered: each submission of the job would leave its class loader in
 * the metaspace of the JobManager and the TaskManagers. The driver registers itself when it is
 * loaded, so this takes it back. The driver's cleaning thread keeps the class loader too, by
 * default for 30 s behind its last connection: twenty submissions in that time filled the
 * metaspace.
 */
final class PostgresDriver {
  /** How long the cleaning thread waits for the next connection, in milliseconds. */
  private static final String CLEANER_TTL = "pgjdbc.config.cleanup.thread.ttl";

  private static final Driver DRIVER = new Driver();

  static {
    boolean ofJobJar = Driver.class.getClassLoader() != ClassLoader.getSystemClassLoader();
    if (ofJobJar && System.getProperty(CLEANER_TTL) == null) {
      // The driver reads it with its first connection.
      System.setProperty(CLEANER_TTL, "1000");
    }
    try {
      if (ofJobJar && Driver.isRegistered()) {
        Driver.deregister();
      }
    } catch (SQLException e) {
      throw new ExceptionInInitializerError(e);
    }
  }

  private PostgresDriver() {}

  /**
   * Opens a connection.
   *
   * @return null when the URL is not PostgreSQL's
   * @throws SQLException the server does not answer, or refuses the login
   */
  static Connection connect(String jdbcUrl, Properties properties) throws SQLException {
    return DRIVER.connect(jdbcUrl, properties);
  }
}
