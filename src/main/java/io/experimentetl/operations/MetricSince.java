package io.experimentetl.operations;

import io.experimentetl.config.StatisticsConfig;
import java.io.StringReader;
import java.time.LocalDate;
import java.util.Optional;
import org.yaml.snakeyaml.LoaderOptions;
import org.yaml.snakeyaml.Yaml;
import org.yaml.snakeyaml.error.Mark;
import org.yaml.snakeyaml.error.YAMLException;
import org.yaml.snakeyaml.nodes.MappingNode;
import org.yaml.snakeyaml.nodes.Node;
import org.yaml.snakeyaml.nodes.NodeTuple;
import org.yaml.snakeyaml.nodes.ScalarNode;
import org.yaml.snakeyaml.nodes.SequenceNode;

/**
 * Sets a metric's {@code since} in the text of the job's configuration. Only this one value
 * changes: an operator's comments and layout stay.
 */
final class MetricSince {
  private MetricSince() {}

  /**
   * Returns the text with the metric's new {@code since}.
   *
   * @param effective what this configuration counts, the default metrics included
   * @throws OperationsException when the configuration has no such metric, or only by default
   */
  static String set(String yaml, String metric, LocalDate from, StatisticsConfig effective) {
    MappingNode entry = metric(yaml, metric).orElseThrow(() -> absent(metric, effective));
    Optional<Node> since = value(entry, "since");
    if (since.isPresent()) {
      return replace(yaml, since.get().getStartMark(), since.get().getEndMark(), from.toString());
    }
    Node name = value(entry, "name").orElseThrow();
    String separator =
        entry.getFlowStyle() == org.yaml.snakeyaml.DumperOptions.FlowStyle.FLOW
            ? ", "
            : "\n" + " ".repeat(firstKey(entry).getStartMark().getColumn());
    return replace(yaml, name.getEndMark(), name.getEndMark(), separator + "since: " + from);
  }

  private static Optional<MappingNode> metric(String yaml, String metric) {
    Node root;
    try {
      root = new Yaml(new LoaderOptions()).compose(new StringReader(yaml));
    } catch (YAMLException e) {
      // Its message quotes the text around, which may contain a secret.
      throw new OperationsException("the job's configuration is not valid YAML");
    }
    Optional<Node> metrics =
        Optional.ofNullable(root)
            .flatMap(node -> value(node, "statistics"))
            .flatMap(node -> value(node, "metrics"));
    if (metrics.isPresent() && metrics.get() instanceof SequenceNode sequence) {
      for (Node candidate : sequence.getValue()) {
        if (value(candidate, "name").filter(name -> text(name).equals(metric)).isPresent()) {
          return Optional.of((MappingNode) candidate);
        }
      }
    }
    return Optional.empty();
  }

  private static Optional<Node> value(Node node, String key) {
    if (node instanceof MappingNode mapping) {
      for (NodeTuple tuple : mapping.getValue()) {
        if (text(tuple.getKeyNode()).equals(key)) {
          return Optional.of(tuple.getValueNode());
        }
      }
    }
    return Optional.empty();
  }

  private static Node firstKey(MappingNode entry) {
    return entry.getValue().get(0).getKeyNode();
  }

  private static String text(Node node) {
    return node instanceof ScalarNode scalar ? scalar.getValue() : "";
  }

  /** A mark counts code points. */
  private static String replace(String yaml, Mark start, Mark end, String replacement) {
    return yaml.substring(0, yaml.offsetByCodePoints(0, start.getIndex()))
        + replacement
        + yaml.substring(yaml.offsetByCodePoints(0, end.getIndex()));
  }

  private static OperationsException absent(String metric, StatisticsConfig effective) {
    boolean counted =
        effective.metrics().stream().anyMatch(candidate -> candidate.name().equals(metric));
    return new OperationsException(
        counted
            ? "metric %s is a default metric and counts all users from the first: nothing is left to restate. To define it differently, write all counted metrics into statistics.metrics of the job's configuration, and run this again"
                .formatted(metric)
            : "statistics.metrics of the job's configuration has no metric %s: add it there, with all metrics that are counted, and run this again"
                .formatted(metric));
  }
}
