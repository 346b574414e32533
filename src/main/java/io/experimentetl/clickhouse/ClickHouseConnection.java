package io.experimentetl.clickhouse;

import io.experimentetl.tls.TlsFiles;
import java.io.Serializable;
import java.net.URI;

/**
 * The address and user of a ClickHouse server. It contains no password, so it can be logged.
 *
 * @param url the HTTP interface, for instance {@code http://clickhouse:8123}, of one server of a
 *     shard, or of a proxy that routes all requests of a session to the same server
 * @param database the database with the tables
 * @param user needs INSERT, SELECT and the right to kill its own queries
 * @param password where to read the password
 * @param tls certificates and keys for https
 */
public record ClickHouseConnection(
    URI url, String database, String user, PasswordSource password, TlsFiles tls)
    implements Serializable {

  /** A connection that trusts the CAs that the JVM trusts, and has no client certificate. */
  public ClickHouseConnection(URI url, String database, String user, PasswordSource password) {
    this(url, database, user, password, TlsFiles.NONE);
  }

  /**
   * Checks the URL.
   *
   * @throws IllegalArgumentException if the URL is not http or https, or contains credentials
   */
  public ClickHouseConnection {
    String scheme = url.getScheme();
    if ((!"http".equals(scheme) && !"https".equals(scheme)) || url.getHost() == null) {
      throw new IllegalArgumentException(
          "The URL of ClickHouse must have the form http://host:8123 or https://host:8443.");
    }
    if (url.getRawUserInfo() != null || url.getRawQuery() != null) {
      throw new IllegalArgumentException(
          "The URL of ClickHouse contains a user or parameters: pass user, database and password separately.");
    }
  }
}
