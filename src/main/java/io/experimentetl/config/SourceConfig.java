package io.experimentetl.config;

import static io.experimentetl.config.ValueType.choice;
import static io.experimentetl.config.ValueType.duration;
import static io.experimentetl.config.ValueType.identifier;
import static io.experimentetl.config.ValueType.integer;
import static io.experimentetl.config.ValueType.text;

import io.experimentetl.mapping.ReplicatedTable;
import io.experimentetl.mapping.SourceMapping;
import io.experimentetl.mapping.TableBinding;
import io.experimentetl.tls.ServerTls;
import io.experimentetl.tls.TlsMode;
import java.io.Serializable;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * The platform's PostgreSQL.
 *
 * @param type whether the job reads the replication slot itself, or Debezium's topics
 * @param host null: it is not set, and the type is kafka
 * @param tls how every connection to it is encrypted
 * @param publication contains exactly the job's tables; {@code sql/postgres} creates it
 * @param slot logical replication slot; {@code sql/postgres} creates it
 * @param heartbeatInterval how often the source writes its heartbeat row, so that the slot of an
 *     idle database advances
 * @param splitSize rows of one chunk of the initial snapshot
 * @param usersTruncate what a TRUNCATE of {@code users} means
 * @param unstreamedChanges what happens when changes were lost because they never entered the
 *     stream
 * @param tables which tables and columns of the platform give which of our rows
 */
public record SourceConfig(
    SourceType type,
    String host,
    int port,
    String database,
    String schema,
    String username,
    Secret password,
    ServerTls tls,
    String publication,
    String slot,
    Duration heartbeatInterval,
    int splitSize,
    UsersTruncate usersTruncate,
    UnstreamedChanges unstreamedChanges,
    SourceMapping tables)
    implements Serializable {

  /** The default of every key. */
  public static SourceConfig defaults() {
    return read(Section.empty("source"));
  }

  /** The host of the server; localhost where it is not set. */
  @Override
  public String host() {
    return host == null ? "localhost" : host;
  }

  /**
   * Whether the job looks at the server for changes that never enter Debezium's topics: only where
   * its host is set.
   */
  public boolean watchesTopics() {
    return type == SourceType.KAFKA && host != null;
  }

  /** The same, with the event type of the rows that come from a table of exposures. */
  SourceConfig withExposureEvent(String eventType) {
    return with(slot, tables.withExposureEvent(eventType));
  }

  /** The same with these tables that are copied as they are. */
  SourceConfig withReplicated(List<ReplicatedTable> replicated) {
    return with(slot, tables.withReplicated(replicated));
  }

  /** A topic has the name of its table, without the schema. */
  private void checkTopics(Section section) {
    Map<String, String> entries = new HashMap<>();
    for (TableBinding table : tables.tables()) {
      if (table.elements() != null) {
        section.error(
            "tables." + table.entry() + ".column",
            "needs PostgreSQL's own change stream: a record of a topic gives one row.",
            "Use source.type: postgres, or a table of variants.");
        continue;
      }
      String other = entries.put(table.name(), table.entry());
      if (other != null) {
        section.error(
            "tables." + table.entry() + ".table",
            "has the topic of tables."
                + other
                + ", because both tables have the name "
                + table.name()
                + ".",
            "With source.type: kafka a table stands in one entry, and two tables have two names.");
      }
    }
  }

  private static ServerTls tls(Section section) {
    TlsMode mode = section.get("mode", choice(TlsMode.class), TlsMode.PREFER);
    if (!mode.checksServer() && !section.isEmpty("ca-file")) {
      section.error(
          "ca-file",
          "is set, but the mode does not check the server's certificate.",
          "Set mode: verify-full, or remove ca-file.");
    }
    if (!mode.demandsTls() && !section.isEmpty("certificate-file")) {
      section.error(
          "certificate-file",
          "is set, but the mode does not demand TLS.",
          "Set mode: verify-full, or remove certificate-file.");
    }
    return new ServerTls(mode, TlsKeys.read(section));
  }

  SourceConfig withSlot(String other) {
    return with(other, tables);
  }

  private SourceConfig with(String otherSlot, SourceMapping otherTables) {
    return new SourceConfig(
        type,
        host,
        port,
        database,
        schema,
        username,
        password,
        tls,
        publication,
        otherSlot,
        heartbeatInterval,
        splitSize,
        usersTruncate,
        unstreamedChanges,
        otherTables);
  }

  static SourceConfig read(Section section) {
    SourceType type = section.get("type", choice(SourceType.class), SourceType.POSTGRES);
    String host = section.get("host", text(), type == SourceType.KAFKA ? null : "localhost");
    int port = section.get("port", integer(1, 65_535), 5432);
    String database = section.get("database", text(), "experiments");
    String schema = section.get("schema", text(), "public");
    SourceConfig source =
        new SourceConfig(
            type,
            host,
            port,
            database,
            schema,
            section.get("username", text(), "experiment_etl"),
            section.password(),
            section.group("tls", SourceConfig::tls),
            section.get("publication", identifier(), "experiment_etl"),
            section.get("slot", identifier(), "experiment_etl"),
            section.get(
                "heartbeat-interval",
                duration(Duration.ofMillis(100), Duration.ofMinutes(5)),
                Duration.ofSeconds(10)),
            section.get("split-size", integer(100, 10_000_000), 100_000),
            section.get("users-truncate", choice(UsersTruncate.class), UsersTruncate.REFUSE),
            section.get(
                "unstreamed-changes", choice(UnstreamedChanges.class), UnstreamedChanges.STOP),
            section.group("tables", tables -> TablesConfig.read(tables, schema)));
    if (type == SourceType.KAFKA) {
      source.checkTopics(section);
    }
    return source;
  }
}
