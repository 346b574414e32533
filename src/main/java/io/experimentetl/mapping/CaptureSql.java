package io.experimentetl.mapping;

import io.experimentetl.model.SourceTable;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * The SQL for the source's owner: what the job needs besides the platform's tables, for the tables
 * that are captured. {@code sql/postgres/002_etl.sql} is the SQL for the default tables.
 *
 * @param schema holds our own tables, such as {@code etl_heartbeat}
 * @param tables the captured tables of the platform but the outbox, as SQL names
 * @param outbox the outbox's table and its column {@code processed_at}, as SQL names; null: none
 * @param publication a plain lower-case name
 * @param role the job's role
 */
public record CaptureSql(
    String schema, List<String> tables, Outbox outbox, String publication, String role) {
  private static final Pattern PLACEHOLDER = Pattern.compile("\\$\\{([a-z_]+)}");
  private static final String DEFAULT_SCHEMA = "public";

  /**
   * The outbox.
   *
   * @param table its SQL name
   * @param processedAt the column that the relay sets, without quotes
   */
  public record Outbox(String table, String processedAt) {}

  /** The SQL for the tables of a mapping. */
  public static CaptureSql of(SourceMapping mapping, String publication, String role) {
    List<String> tables =
        mapping.tables().stream()
            .filter(
                binding ->
                    binding.table() != SourceTable.OUTBOX_EVENTS
                        && binding.table() != SourceTable.ETL_HEARTBEAT)
            .map(CaptureSql::name)
            .distinct()
            .toList();
    Outbox outbox =
        mapping.of(SourceTable.OUTBOX_EVENTS).stream()
            .findFirst()
            .map(binding -> new Outbox(name(binding), "processed_at"))
            .orElse(null);
    return new CaptureSql(mapping.schema(), tables, outbox, publication, role);
  }

  /** A default table is looked for in the search path. */
  private static String name(TableBinding binding) {
    String name = SqlNames.readable(binding.name());
    return binding.mapped() ? SqlNames.readable(binding.schema()) + "." + name : name;
  }

  /** The statements, with comments. */
  public String text() {
    Map<String, String> values =
        Map.of(
            "search_path",
            schema.equals(DEFAULT_SCHEMA)
                ? ""
                : "\nSET search_path TO " + SqlNames.readable(schema) + ";\n",
            "tables",
            Stream.concat(tables.stream(), Stream.of("etl_heartbeat"))
                .map(SqlNames::literal)
                .collect(Collectors.joining(", ")),
            "outbox_comment",
            outbox == null
                ? ""
                : " A platform whose outbox is not relayed may have no %s.".formatted(outbox.table),
            "outbox_table",
            outbox == null
                ? ""
                : "\n        || array_remove(ARRAY [to_regclass(%s)], NULL)"
                    .formatted(SqlNames.literal(outbox.table)),
            "outbox_grant",
            outbox == null ? "" : "\n" + outboxGrant(),
            "publication",
            publication,
            "role",
            SqlNames.readable(role),
            "role_literal",
            SqlNames.literal(role));
    return fill(values);
  }

  private String outboxGrant() {
    return """
            -- For the outbox relay's acknowledgement.
            IF to_regclass(%1$s) IS NOT NULL
                AND NOT has_column_privilege(%3$s, to_regclass(%1$s), %4$s, 'UPDATE') THEN
                GRANT UPDATE (%5$s) ON %2$s TO %6$s;
            END IF;"""
        .indent(4)
        .stripTrailing()
        .formatted(
            SqlNames.literal(outbox.table),
            outbox.table,
            SqlNames.literal(role),
            SqlNames.literal(outbox.processedAt),
            SqlNames.readable(outbox.processedAt),
            SqlNames.readable(role));
  }

  private static String fill(Map<String, String> values) {
    try (InputStream in = CaptureSql.class.getResourceAsStream("/mapping/capture.sql")) {
      String template = new String(in.readAllBytes(), StandardCharsets.UTF_8);
      return PLACEHOLDER
          .matcher(template)
          .replaceAll(match -> Matcher.quoteReplacement(values.get(match.group(1))));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
