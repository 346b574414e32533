package io.experimentetl.config;

import java.io.Serializable;
import java.lang.invoke.SerializedLambda;
import java.lang.reflect.Constructor;
import java.lang.reflect.Method;
import java.lang.reflect.RecordComponent;
import java.util.Arrays;
import java.util.Map;

/**
 * The configuration of a test: the defaults, or another configuration, with the settings that the
 * test is about. A setting is named by its accessor, and may lie outside the bounds of the file:
 *
 * <pre>{@code
 * ConfigBuilder.defaults()
 *     .with(StateConfig::evictAfter, Duration.ofDays(2))
 *     .with(HealthConfig::botEventsPerDay, 3)
 *     .build();
 * }</pre>
 */
public final class ConfigBuilder {
  private JobConfig config;

  private ConfigBuilder(JobConfig config) {
    this.config = config;
  }

  /** Starts from the default of every key. */
  public static ConfigBuilder defaults() {
    return from(JobConfig.read(Section.empty("")));
  }

  /** A configuration file's text, without the passwords. */
  public static JobConfig read(String yaml) {
    return JobConfig.parse(
        "the test",
        yaml,
        Map.of("EXPERIMENT_ETL_SOURCE_PASSWORD", "-", "EXPERIMENT_ETL_CLICKHOUSE_PASSWORD", "-"));
  }

  /** Starts from a configuration. */
  public static ConfigBuilder from(JobConfig config) {
    return new ConfigBuilder(config);
  }

  /** Replaces one setting, or one section when the accessor is one of {@link JobConfig}. */
  public <R extends Record, T> ConfigBuilder with(Setting<R, T> setting, T value) {
    SerializedLambda accessor = accessor(setting);
    config =
        (JobConfig)
            replaced(
                config,
                accessor.getImplClass().replace('/', '.'),
                accessor.getImplMethodName(),
                value);
    return this;
  }

  /** Takes the tables of another configuration, also those that are copied as they are. */
  public ConfigBuilder withTablesOf(JobConfig other) {
    return with(JobConfig::replicate, other.replicate())
        .with(SourceConfig::tables, other.source().tables());
  }

  /** Replaces the list of metrics. */
  public ConfigBuilder withMetrics(MetricConfig... metrics) {
    return with(JobConfig::statistics, config.statistics().withMetrics(metrics));
  }

  public JobConfig build() {
    return config;
  }

  /** An accessor of a configuration record. */
  @FunctionalInterface
  public interface Setting<R extends Record, T> extends Serializable {
    T of(R section);
  }

  private static SerializedLambda accessor(Setting<?, ?> setting) {
    try {
      Method writeReplace = setting.getClass().getDeclaredMethod("writeReplace");
      writeReplace.setAccessible(true);
      return (SerializedLambda) writeReplace.invoke(setting);
    } catch (ReflectiveOperationException e) {
      throw new LinkageError("A setting is named by its accessor, as StateConfig::evictAfter", e);
    }
  }

  /** The record with the component replaced in it, or in the one of its components that has it. */
  private static Record replaced(Record section, String type, String component, Object value) {
    RecordComponent[] components = section.getClass().getRecordComponents();
    Class<?>[] types =
        Arrays.stream(components).map(RecordComponent::getType).toArray(Class<?>[]::new);
    try {
      Object[] values = new Object[components.length];
      for (int i = 0; i < values.length; i++) {
        values[i] = components[i].getAccessor().invoke(section);
        if (section.getClass().getName().equals(type)) {
          values[i] = components[i].getName().equals(component) ? value : values[i];
        } else if (values[i] instanceof Record inner) {
          values[i] = replaced(inner, type, component, value);
        }
      }
      Constructor<? extends Record> constructor = section.getClass().getDeclaredConstructor(types);
      return constructor.newInstance(values);
    } catch (ReflectiveOperationException e) {
      throw new LinkageError(type + "::" + component + " cannot be set to " + value, e);
    }
  }
}
