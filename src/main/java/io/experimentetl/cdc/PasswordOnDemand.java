package io.experimentetl.cdc;

import java.util.Map;
import java.util.Properties;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Supplier;
import org.postgresql.plugin.AuthenticationPlugin;
import org.postgresql.plugin.AuthenticationRequestType;

/**
 * Gives the driver the password when the server requests it. The connector's configuration must not
 * contain the password, because the connector logs its configuration.
 */
public final class PasswordOnDemand implements AuthenticationPlugin {

  private static final Map<String, Supplier<String>> PASSWORDS = new ConcurrentHashMap<>();

  private final String login;

  /** Called by the driver with a connection's properties. */
  public PasswordOnDemand(Properties connection) {
    login =
        login(
            connection.getProperty("user"),
            connection.getProperty("PGHOST"),
            connection.getProperty("PGPORT"),
            connection.getProperty("PGDBNAME"));
  }

  /** From now on connections with these settings' login get their password. */
  static void serve(PostgresSourceSettings settings) {
    PASSWORDS.put(
        login(
            settings.username(),
            settings.host(),
            Integer.toString(settings.port()),
            settings.database()),
        settings.password());
  }

  private static String login(String user, String host, String port, String database) {
    return user + "@" + host + ":" + port + "/" + database;
  }

  @Override
  public char[] getPassword(AuthenticationRequestType type) {
    Supplier<String> password = PASSWORDS.get(login);
    // For null the driver reports that this plugin provided no password.
    return password == null ? null : password.get().toCharArray();
  }
}
