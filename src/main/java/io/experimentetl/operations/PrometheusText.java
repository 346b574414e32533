package io.experimentetl.operations;

/**
 * Writes metrics in Prometheus' text format: first a metric's name and help, then its samples. The
 * tool's jar has no client library of Prometheus, since Flink's distribution brings the reporter's.
 */
public final class PrometheusText {
  private final StringBuilder text = new StringBuilder();
  private String metric;

  /**
   * Begins a gauge.
   *
   * @param help one sentence, with the unit
   */
  public void gauge(String name, String help) {
    begin(name, help, "gauge");
  }

  /** Begins a counter. */
  public void counter(String name, String help) {
    begin(name, help, "counter");
  }

  private void begin(String name, String help, String type) {
    metric = name;
    text.append("# HELP ").append(name).append(' ').append(help.replace("\\", "\\\\")).append('\n');
    text.append("# TYPE ").append(name).append(' ').append(type).append('\n');
  }

  /**
   * Adds a sample of the metric that was begun last.
   *
   * @param labels names and values in turn
   */
  public void sample(double value, String... labels) {
    text.append(metric);
    for (int i = 0; i < labels.length; i += 2) {
      text.append(i == 0 ? '{' : ',').append(labels[i]).append("=\"");
      text.append(labels[i + 1].replace("\\", "\\\\").replace("\"", "\\\"").replace("\n", "\\n"));
      text.append('"');
    }
    text.append(labels.length == 0 ? " " : "} ").append(number(value)).append('\n');
  }

  private static String number(double value) {
    return value == Math.rint(value) && Math.abs(value) < 1e15
        ? Long.toString((long) value)
        : Double.toString(value);
  }

  @Override
  public String toString() {
    return text.toString();
  }
}
