package io.experimentetl.report;

/**
 * Where the views are. Printing it never shows the password.
 *
 * @param url of ClickHouse's HTTP interface, {@code http://host:port}
 * @param user may SELECT from the views and what they read; a read-only profile is enough
 * @param defaultZone IANA name of the zone of days, for experiments whose config names none; null:
 *     not known here
 */
public record ReportSettings(
    String url, String database, String user, String password, String defaultZone) {
  @Override
  public String toString() {
    return url + "/" + database + " as " + user;
  }
}
