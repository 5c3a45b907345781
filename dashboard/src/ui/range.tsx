import { useState } from "react";
import { CalendarDays, ChevronDown } from "lucide-react";
import { isoDay } from "@/format";
import { classes } from "@/utils/classes";
import type { Preset, Range } from "@/hooks/useRange";
import { PRESETS } from "@/hooks/useRange";
import { Button } from "./button";
import { Field, TextInput } from "./form";
import { Popover } from "./menu";

const FIXED = (Object.keys(PRESETS) as Preset[]).filter((preset) => preset !== "custom");

/** Selects the date range of a page. Takes the result of useRange. */
export function DateRangePicker({ range }: { range: Range }) {
  const [open, setOpen] = useState(false);
  return (
    <Popover
      label="Date range"
      open={open}
      onOpenChange={setOpen}
      trigger={
        <Button icon={<CalendarDays aria-hidden className="size-4 text-muted" />}>
          {range.label}
          <ChevronDown aria-hidden className="-mr-1 size-4 text-muted" />
        </Button>
      }
    >
      <div className="flex flex-col sm:flex-row">
        <div className="grid grid-cols-2 gap-0.5 p-2 sm:w-40 sm:grid-cols-1 sm:border-r">
          {FIXED.map((preset) => (
            <button
              key={preset}
              type="button"
              aria-pressed={preset === range.preset}
              onClick={() => {
                range.set(preset);
                setOpen(false);
              }}
              className={classes(
                "rounded-md px-2.5 py-1.5 text-left hover:bg-hover",
                preset === range.preset && "bg-accent-soft font-medium text-accent-strong",
              )}
            >
              {PRESETS[preset]}
            </button>
          ))}
        </div>
        <Custom key={`${range.start} ${range.end}`} range={range} done={() => setOpen(false)} />
      </div>
    </Popover>
  );
}

function Custom({ range, done }: { range: Range; done: () => void }) {
  const [start, setStart] = useState(range.start);
  const [end, setEnd] = useState(range.end);
  return (
    <form
      className="flex flex-col gap-3 border-t p-4 sm:w-56 sm:border-t-0"
      onSubmit={(event) => {
        event.preventDefault();
        range.setCustom(start, end);
        done();
      }}
    >
      <Field label="First day">
        <TextInput type="date" required max={end} value={start} onChange={(event) => setStart(event.target.value)} />
      </Field>
      <Field label="Last day">
        <TextInput
          type="date"
          required
          min={start}
          max={isoDay(new Date())}
          value={end}
          onChange={(event) => setEnd(event.target.value)}
        />
      </Field>
      <Button type="submit" look="primary" size="sm">
        Apply
      </Button>
    </form>
  );
}
