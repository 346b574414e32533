package io.experimentetl.cdc;

import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.model.Change;
import java.io.IOException;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import org.apache.flink.core.memory.DataInputDeserializer;
import org.apache.flink.core.memory.DataOutputSerializer;

class ChangeSerializerTest {

  @Provide
  Arbitrary<Change> changes() {
    return Changes.any();
  }

  @Property
  void writtenChangeIsReadBackUnchanged(
      @ForAll("changes") Change first, @ForAll("changes") Change second) throws IOException {
    DataOutputSerializer output = new DataOutputSerializer(64);
    ChangeSerializer.INSTANCE.serialize(first, output);
    ChangeSerializer.INSTANCE.serialize(second, output);
    DataInputDeserializer input = new DataInputDeserializer(output.getCopyOfBuffer());
    Change firstRead = ChangeSerializer.INSTANCE.deserialize(input);
    Change secondRead = ChangeSerializer.INSTANCE.deserialize(input);
    assertThat(firstRead).isEqualTo(first);
    assertThat(secondRead).isEqualTo(second);
    assertThat(input.available()).isZero();
    // An event's own id at the source, which equality ignores, was read too.
    DataOutputSerializer again = new DataOutputSerializer(64);
    ChangeSerializer.INSTANCE.serialize(firstRead, again);
    ChangeSerializer.INSTANCE.serialize(secondRead, again);
    assertThat(again.getCopyOfBuffer()).isEqualTo(output.getCopyOfBuffer());
  }
}
