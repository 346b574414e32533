package io.debezium.connector.postgresql;

import io.debezium.connector.postgresql.connection.PostgresConnection;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Types;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.connect.errors.ConnectException;
import org.postgresql.core.BaseConnection;
import org.postgresql.core.TypeInfo;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Replaces Debezium's class of this name, which cannot start where any enum of the database has no
 * values (a NullPointerException). It reads the types of the catalogue, and looks up types that are
 * created later.
 */
public class TypeRegistry {
  private static final Logger LOG = LoggerFactory.getLogger(TypeRegistry.class);

  public static final String TYPE_NAME_GEOGRAPHY = "geography";
  public static final String TYPE_NAME_GEOMETRY = "geometry";
  public static final String TYPE_NAME_CITEXT = "citext";
  public static final String TYPE_NAME_HSTORE = "hstore";
  public static final String TYPE_NAME_LTREE = "ltree";
  public static final String TYPE_NAME_HSTORE_ARRAY = "_hstore";
  public static final String TYPE_NAME_GEOGRAPHY_ARRAY = "_geography";
  public static final String TYPE_NAME_GEOMETRY_ARRAY = "_geometry";
  public static final String TYPE_NAME_CITEXT_ARRAY = "_citext";
  public static final String TYPE_NAME_LTREE_ARRAY = "_ltree";
  public static final int NO_TYPE_MODIFIER = -1;
  public static final int UNKNOWN_LENGTH = -1;

  /** The JDBC type of a domain. */
  public static final int DOMAIN_TYPE = Types.DISTINCT;

  private static final String SELECT =
      """
      SELECT t.oid, t.typname, t.typelem, t.typbasetype, t.typtypmod, t.typcategory,
             ARRAY (SELECT e.enumlabel::text FROM pg_catalog.pg_enum e WHERE e.enumtypid = t.oid ORDER BY e.enumsortorder),
             CASE WHEN t.typinput = 'pg_catalog.array_in'::regproc THEN %d
                  ELSE CASE t.typtype WHEN 'c' THEN %d WHEN 'd' THEN %d WHEN 'e' THEN %d ELSE %d END END
      FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
      WHERE n.nspname <> 'pg_toast'"""
          .formatted(Types.ARRAY, Types.STRUCT, Types.DISTINCT, Types.VARCHAR, Types.OTHER);

  /** Arrays and domains behind the types that they are built from. */
  private static final String ORDER = " ORDER BY t.typbasetype <> 0, t.typcategory = 'A', t.oid";

  private static final Map<String, String> SHORT_NAMES =
      Map.ofEntries(
          Map.entry("bigint", "int8"),
          Map.entry("bit varying", "varbit"),
          Map.entry("boolean", "bool"),
          Map.entry("character", "bpchar"),
          Map.entry("character varying", "varchar"),
          Map.entry("double precision", "float8"),
          Map.entry("integer", "int4"),
          Map.entry("real", "float4"),
          Map.entry("smallint", "int2"),
          Map.entry("timestamp without time zone", "timestamp"),
          Map.entry("timestamp with time zone", "timestamptz"),
          Map.entry("time without time zone", "time"),
          Map.entry("time with time zone", "timetz"));

  private static final Map<String, String> SERIALS =
      Map.of("serial", "int4", "smallserial", "int2", "bigserial", "int8");

  private final Map<String, PostgresType> byName = new HashMap<>();
  private final Map<Integer, PostgresType> byOid = new HashMap<>();
  private final PostgresConnection connection;
  private final Set<String> coreTypes = new HashSet<>();

  /**
   * Reads all types of the connection's database.
   *
   * @throws ConnectException the server refuses or does not answer
   */
  public TypeRegistry(PostgresConnection connection) {
    this.connection = connection;
    try {
      typeInfo().getPGTypeNamesWithSQLTypes().forEachRemaining(coreTypes::add);
      load("");
    } catch (SQLException e) {
      throw new ConnectException("The types of the database could not be read.", e);
    }
  }

  private TypeInfo typeInfo() throws SQLException {
    return ((BaseConnection) connection.connection()).getTypeInfo();
  }

  /** Reads the types for which the condition holds, and returns the first; null: there is none. */
  private PostgresType load(String condition, Object... parameters) throws SQLException {
    Connection open = connection.connection();
    List<PostgresType.Builder> found = new ArrayList<>();
    try (PreparedStatement statement = open.prepareStatement(SELECT + condition + ORDER)) {
      for (int i = 0; i < parameters.length; i++) {
        statement.setObject(i + 1, parameters[i]);
      }
      try (ResultSet row = statement.executeQuery()) {
        while (row.next()) {
          found.add(type(row));
        }
      }
    }
    PostgresType first = null;
    for (PostgresType.Builder builder : found) {
      PostgresType type = builder.build();
      byOid.put(type.getOid(), type);
      byName.put(type.getName(), type);
      first = first == null ? type : first;
    }
    return first;
  }

  private PostgresType.Builder type(ResultSet row) throws SQLException {
    // An OID has 32 bits without a sign.
    int oid = (int) row.getLong(1);
    String name = row.getString(2);
    String category = row.getString(6);
    int jdbcType = coreTypes.contains(name) ? typeInfo().getSQLType(name) : row.getInt(8);
    PostgresType.Builder builder =
        new PostgresType.Builder(this, name, oid, jdbcType, row.getInt(5), typeInfo());
    if (category.equals("E")) {
      builder.enumValues(Arrays.asList((String[]) row.getArray(7).getArray()));
    } else if (category.equals("A")) {
      builder.elementType((int) row.getLong(3));
    }
    return builder.parentType((int) row.getLong(4));
  }

  /** The type with this OID; {@link PostgresType#UNKNOWN} if the catalogue has none. */
  public PostgresType get(int oid) {
    PostgresType known = byOid.get(oid);
    return known != null ? known : lookUp(" AND t.oid = ?", Integer.toUnsignedLong(oid));
  }

  /** The type of this name; {@link PostgresType#UNKNOWN} if the catalogue has none. */
  public PostgresType get(String typeName) {
    String name = SERIALS.getOrDefault(typeName, typeName);
    int schemaEnd = name.indexOf('.');
    name = schemaEnd < 0 ? name : name.substring(schemaEnd + 1);
    if (name.startsWith("\"")) {
      name = name.substring(1, name.length() - 1);
    }
    PostgresType known = byName.get(name);
    return known != null ? known : lookUp(" AND t.typname = ?", name);
  }

  private PostgresType lookUp(String condition, Object parameter) {
    try {
      PostgresType found = load(condition, parameter);
      if (found == null) {
        LOG.warn("The catalogue has no type {}.", parameter);
        return PostgresType.UNKNOWN;
      }
      return found;
    } catch (SQLException e) {
      throw new ConnectException("A type of the database could not be looked up.", e);
    }
  }

  private int oid(String name) {
    PostgresType type = byName.get(name);
    return type == null ? Integer.MIN_VALUE : type.getOid();
  }

  public int geometryOid() {
    return oid(TYPE_NAME_GEOMETRY);
  }

  public int geographyOid() {
    return oid(TYPE_NAME_GEOGRAPHY);
  }

  public int citextOid() {
    return oid(TYPE_NAME_CITEXT);
  }

  public int hstoreOid() {
    return oid(TYPE_NAME_HSTORE);
  }

  public int ltreeOid() {
    return oid(TYPE_NAME_LTREE);
  }

  public int hstoreArrayOid() {
    return oid(TYPE_NAME_HSTORE_ARRAY);
  }

  public int geometryArrayOid() {
    return oid(TYPE_NAME_GEOMETRY_ARRAY);
  }

  public int geographyArrayOid() {
    return oid(TYPE_NAME_GEOGRAPHY_ARRAY);
  }

  public int citextArrayOid() {
    return oid(TYPE_NAME_CITEXT_ARRAY);
  }

  public int ltreeArrayOid() {
    return oid(TYPE_NAME_LTREE_ARRAY);
  }

  /** The short name of a type that has a long one, such as int8 for bigint. */
  public static String normalizeTypeName(String name) {
    return SHORT_NAMES.getOrDefault(name, name);
  }
}
