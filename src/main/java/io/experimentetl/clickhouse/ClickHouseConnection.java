package io.experimentetl.clickhouse;

import java.io.Serializable;
import java.net.URI;

/**
 * Where the warehouse is. Prints without the password, because it doesn't hold it.
 *
 * @param url the HTTP interface, for instance {@code http://clickhouse:8123}; of one server of a
 *     shard, or a front that keeps to one for a session; never a Distributed front
 * @param database the database with the tables
 * @param user may insert, select and kill its own queries
 * @param password where the password is found
 */
public record ClickHouseConnection(URI url, String database, String user, PasswordSource password)
    implements Serializable {

  /**
   * Checks the URL.
   *
   * @throws IllegalArgumentException if the URL isn't plain http or https, or holds credentials
   */
  public ClickHouseConnection {
    String scheme = url.getScheme();
    if ((!"http".equals(scheme) && !"https".equals(scheme)) || url.getHost() == null) {
      throw new IllegalArgumentException(
          "ClickHouse's URL must be of the form http://host:8123 or https://host:8443.");
    }
    if (url.getRawUserInfo() != null || url.getRawQuery() != null) {
      throw new IllegalArgumentException(
          "ClickHouse's URL holds a user or parameters: give user, database and password apart.");
    }
  }
}
