package io.experimentetl.cdc;

import io.experimentetl.config.JobConfig;
import io.experimentetl.config.SourceConfig;
import io.experimentetl.mapping.SourceMapping;
import io.experimentetl.mapping.TableBinding;
import io.experimentetl.model.SourceTable;
import io.experimentetl.postgres.PostgresTls;
import io.experimentetl.tls.ServerTls;
import java.io.Serializable;
import java.time.Duration;
import java.util.List;
import java.util.function.Supplier;

/**
 * Where the source is and how it is read. The tool uses it too, and has no Flink on its class path.
 *
 * @param mapping the tables that are read
 * @param password returns the password on the machine that needs it; the job graph contains only
 *     the supplier
 * @param tls how every connection is encrypted
 * @param publication of exactly the captured tables, made by {@code sql/postgres/002_etl.sql}
 * @param slot logical slot of the plugin pgoutput, made by {@code sql/postgres/003_slot.sql}
 * @param heartbeatInterval how often the source writes its row of {@code etl_heartbeat}
 * @param splitSize rows of one chunk of the initial snapshot
 * @param outbox whether {@code outbox_events} is read: a platform without a relay may have none
 */
public record PostgresSourceSettings(
    String host,
    int port,
    String database,
    SourceMapping mapping,
    String username,
    Password password,
    ServerTls tls,
    String publication,
    String slot,
    Duration heartbeatInterval,
    int splitSize,
    boolean outbox)
    implements Serializable {

  /** Reads the password where it is needed. */
  @FunctionalInterface
  public interface Password extends Supplier<String>, Serializable {}

  /** The source that the configuration names. */
  public static PostgresSourceSettings of(JobConfig config) {
    SourceConfig source = config.source();
    return new PostgresSourceSettings(
        source.host(),
        source.port(),
        source.database(),
        source.tables(),
        source.username(),
        source.password()::value,
        source.tls(),
        source.publication(),
        source.slot(),
        source.heartbeatInterval(),
        source.splitSize(),
        config.outbox().enabled());
  }

  /** The tables that are read. */
  List<SourceTable> tables() {
    return SourceTable.read(outbox);
  }

  /** The tables of the source that are read. */
  List<TableBinding> bindings() {
    return mapping.read(outbox);
  }

  /** The bindings that read a table of the source; empty: it is not captured. */
  List<TableBinding> bindings(String schema, String table) {
    return bindings().stream()
        .filter(binding -> binding.schema().equals(schema) && binding.name().equals(table))
        .toList();
  }

  /** The schema of the tables that the mapping does not name, and of the heartbeat. */
  String schema() {
    return mapping.schema();
  }

  /** The URL of the driver, with how the connection is encrypted. */
  public String jdbcUrl() {
    return PostgresTls.inUrl("jdbc:postgresql://" + place(), tls);
  }

  /** The server as a message names it. */
  public String place() {
    return host + ":" + port + "/" + database;
  }
}
