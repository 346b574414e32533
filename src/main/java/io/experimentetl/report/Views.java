package io.experimentetl.report;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.BooleanNode;
import com.fasterxml.jackson.databind.node.DecimalNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.NullNode;
import com.fasterxml.jackson.databind.node.TextNode;
import io.experimentetl.clickhouse.ClickHouseReadException;
import io.experimentetl.clickhouse.ClickHouseReader;
import io.experimentetl.warehouse.ReadFailure;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** ClickHouse's views. Sends no setting, so a read-only user may read them. */
final class Views implements AutoCloseable {
  private static final Duration TIMEOUT = Duration.ofMinutes(5);

  private final ReportSettings settings;
  private final ClickHouseReader reader;

  Views(ReportSettings settings) {
    this.settings = settings;
    this.reader = new ClickHouseReader(settings.clickhouse());
  }

  /**
   * The answer to a query.
   *
   * @param query file of the resources' folder {@code report}
   * @param parameters of the query, by name
   * @throws CannotReportException if the query fails
   */
  Figures ask(String query, Map<String, String> parameters) {
    List<String> columns = new ArrayList<>();
    try {
      List<Figures.Row> rows =
          reader.list(
              resource(query),
              parameters,
              TIMEOUT,
              row -> {
                if (columns.isEmpty()) {
                  columns.addAll(names(row.getMetaData()));
                }
                return values(row, columns);
              });
      return new Figures(columns, rows);
    } catch (ClickHouseReadException e) {
      throw new CannotReportException(ReadFailure.describe(settings.clickhouse(), e), e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new CannotReportException("Interrupted while ClickHouse was read: run it again.", e);
    }
  }

  private static List<String> names(ResultSetMetaData columns) throws SQLException {
    List<String> names = new ArrayList<>();
    for (int i = 1; i <= columns.getColumnCount(); i++) {
      names.add(columns.getColumnName(i));
    }
    return names;
  }

  private static Figures.Row values(ResultSet row, List<String> columns) throws SQLException {
    Map<String, JsonNode> values = new LinkedHashMap<>();
    for (String column : columns) {
      values.put(column, node(row.getObject(column)));
    }
    return new Figures.Row(values);
  }

  /** A number is the decimal that ClickHouse prints; one that is not finite is null. */
  private static JsonNode node(Object value) throws SQLException {
    if (value == null) {
      return NullNode.instance;
    }
    if (value instanceof java.sql.Array array) {
      ArrayNode nodes = JsonNodeFactory.instance.arrayNode();
      for (Object element : (Object[]) array.getArray()) {
        nodes.add(node(element));
      }
      return nodes;
    }
    if (value instanceof Boolean bool) {
      return BooleanNode.valueOf(bool);
    }
    if (value instanceof Double || value instanceof Float) {
      return Double.isFinite(((Number) value).doubleValue())
          ? decimal(value.toString())
          : NullNode.instance;
    }
    return value instanceof Number ? decimal(value.toString()) : TextNode.valueOf(value.toString());
  }

  private static JsonNode decimal(String text) {
    BigDecimal number = new BigDecimal(text).stripTrailingZeros();
    return DecimalNode.valueOf(number.scale() < 0 ? number.setScale(0) : number);
  }

  static String resource(String name) {
    return classPathText("report/" + name);
  }

  static String classPathText(String path) {
    try (InputStream in = Views.class.getClassLoader().getResourceAsStream(path)) {
      if (in == null) {
        throw new IllegalStateException("the class path has no " + path);
      }
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  @Override
  public void close() {
    reader.close();
  }
}
