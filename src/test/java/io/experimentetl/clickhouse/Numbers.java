package io.experimentetl.clickhouse;

/** A reading for each number, spread over three partitions. */
class Numbers implements RowEncoder<Long> {
  @Override
  public TableSchema schema() {
    return Reading.ENCODER.schema();
  }

  @Override
  public long partition(Long row) {
    return 202601 + row % 3;
  }

  @Override
  public void encode(Long row, RowBinaryWriter out) {
    Reading.ENCODER.encode(new Reading(row, (int) partition(row), "reading " + row, 1), out);
  }
}
