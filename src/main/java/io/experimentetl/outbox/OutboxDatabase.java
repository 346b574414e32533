package io.experimentetl.outbox;

import io.experimentetl.postgres.PostgresSession;
import io.experimentetl.postgres.PostgresTls;
import io.experimentetl.tls.ServerTls;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.Properties;
import org.apache.flink.connector.jdbc.datasource.connections.JdbcConnectionProvider;
import org.apache.flink.util.function.SerializableSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Connections to the platform's PostgreSQL for acknowledgements. The connector's own provider would
 * put the password into the job graph.
 */
public final class OutboxDatabase implements JdbcConnectionProvider {
  private static final long serialVersionUID = 1L;

  private static final Logger LOG = LoggerFactory.getLogger(OutboxDatabase.class);

  private final String place;
  private final String schema;
  private final String username;
  private final SerializableSupplier<String> password;
  private final ServerTls tls;

  private transient Connection connection;

  /**
   * The database. It is connected on first use.
   *
   * @param place host:port/database
   * @param schema of {@code outbox_events}
   * @param password reads the password on the machine that connects
   * @param tls how the connection is encrypted
   */
  public OutboxDatabase(
      String place,
      String schema,
      String username,
      SerializableSupplier<String> password,
      ServerTls tls) {
    this.place = place;
    this.schema = schema;
    this.username = username;
    this.password = password;
    this.tls = tls;
  }

  /** Sets {@code processed_at} of these rows where it is NULL. The parameter is an array of ids. */
  String acknowledgement() {
    return "UPDATE \""
        + schema.replace("\"", "\"\"")
        + "\".outbox_events SET processed_at = clock_timestamp()"
        + " WHERE id = ANY (?) AND processed_at IS NULL";
  }

  /** Whether the role may run the acknowledgement: true, false, or null without the column. */
  String mayAcknowledge() {
    return "SELECT (SELECT has_column_privilege(a.attrelid, a.attnum, 'UPDATE') FROM pg_attribute a"
        + " WHERE a.attrelid = to_regclass('\""
        + schema.replace("\"", "\"\"").replace("'", "''")
        + "\".outbox_events') AND a.attname = 'processed_at' AND NOT a.attisdropped)";
  }

  @Override
  public String toString() {
    return "PostgreSQL " + place;
  }

  @Override
  public Connection getConnection() {
    return connection;
  }

  @Override
  public boolean isConnectionValid() throws SQLException {
    return connection != null && connection.isValid(10);
  }

  @Override
  public Connection getOrEstablishConnection() throws SQLException {
    if (connection == null) {
      Properties properties = new Properties();
      properties.setProperty("user", username);
      properties.setProperty("password", password.get());
      properties.setProperty("connectTimeout", "10");
      properties.setProperty("socketTimeout", "60");
      properties.setProperty("ApplicationName", "experiment-etl-outbox");
      connection =
          PostgresSession.open(PostgresTls.inUrl("jdbc:postgresql://" + place, tls), properties);
    }
    return connection;
  }

  @Override
  public void closeConnection() {
    if (connection != null) {
      try {
        connection.close();
      } catch (SQLException e) {
        LOG.warn("A connection to {} could not be closed. The server will close it.", place, e);
      }
      connection = null;
    }
  }

  @Override
  public Connection reestablishConnection() throws SQLException {
    closeConnection();
    return getOrEstablishConnection();
  }
}
