package org.apache.flink.metrics.prometheus;

import io.prometheus.client.exporter.HTTPServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.Iterator;
import java.util.Properties;
import org.apache.flink.metrics.MetricConfig;
import org.apache.flink.metrics.reporter.MetricReporter;
import org.apache.flink.metrics.reporter.MetricReporterFactory;
import org.apache.flink.util.NetUtils;

/**
 * Prometheus' metrics on the loopback only, for the one-machine platform: Flink's own reporter
 * listens on every address of the machine and has no setting for that. It is in this package
 * because the registry of its superclass is.
 *
 * <p>The property {@code port} is a port, a range or a list of ports: each process takes the first
 * free one.
 */
public final class LoopbackPrometheusReporterFactory implements MetricReporterFactory {
  @Override
  public MetricReporter createMetricReporter(Properties properties) {
    return new Reporter(((MetricConfig) properties).getString("port", "9249"));
  }

  private static final class Reporter extends AbstractPrometheusReporter {
    private final HTTPServer server;

    Reporter(String ports) {
      server = listen(NetUtils.getPortRangeFromString(ports), ports);
    }

    private HTTPServer listen(Iterator<Integer> free, String ports) {
      IOException last = null;
      while (free.hasNext()) {
        int port = free.next();
        try {
          HTTPServer listening =
              new HTTPServer(
                  new InetSocketAddress(InetAddress.getLoopbackAddress(), port), registry);
          log.info("Prometheus' metrics are at http://127.0.0.1:{}/metrics.", port);
          return listening;
        } catch (IOException e) {
          last = e;
        }
      }
      throw new IllegalStateException(
          "No port of metrics.reporter.prom.port (" + ports + ") is free: give others.", last);
    }

    @Override
    public void close() {
      server.stop();
      super.close();
    }
  }
}
