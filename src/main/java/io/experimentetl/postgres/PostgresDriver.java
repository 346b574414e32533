package io.experimentetl.postgres;

import java.sql.Connection;
import java.sql.SQLException;
import java.util.Properties;
import org.postgresql.Driver;

/**
 * PostgreSQL's JDBC driver inside the job's own jar. {@link java.sql.DriverManager} does not see it
 * there, and keeps what is registered: each submission of the job would leave its class loader in
 * the metaspace of the JobManager and the TaskManagers. The driver registers itself when it is
 * loaded, so this takes it back.
 */
final class PostgresDriver {
  private static final Driver DRIVER = new Driver();

  static {
    boolean ofJobJar = Driver.class.getClassLoader() != ClassLoader.getSystemClassLoader();
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
