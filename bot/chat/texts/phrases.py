"""Parts of what members read: titles, labels and halves of sentences."""

from enum import StrEnum


class Phrase(StrEnum):
    """Behind each the facts that it takes."""

    #: amount, of hundredths
    CREDITS = "credits"
    #: least_ucr
    LESS_THAN = "less_than"
    #: resolution, quality, cost_ucr
    OFFER = "offer"
    MODELS_TITLE = "models_title"
    #: model
    USED_BY_DEFAULT = "used_by_default"
    UNFILTERED_MODELS = "unfiltered_models"
    UNFILTERED_MODEL = "unfiltered_model"
    NOT_RIGHT_NOW = "not_right_now"
    #: seconds
    USUAL_TIME = "usual_time"
    #: text: what stands before it in its line; day, as 2026-12-01
    MODEL_ENDS = "model_ends"
    #: quality
    QUALITY = "quality"
    ONE_IMAGE = "one_image"
    NOT_HERE = "not_here"
    WHAT_IT_CAN_DO = "what_it_can_do"
    #: references
    TAKES_REFERENCES = "takes_references"
    #: references, each_ucr
    TAKES_PRICED_REFERENCES = "takes_priced_references"
    TAKES_MASKS = "takes_masks"
    MAKES_TRANSPARENCY = "makes_transparency"
    #: ratios
    SHAPES = "shapes"
    FILTER_ON = "filter_on"
    FILTER_AGE_RESTRICTED = "filter_age_restricted"
    FILTER_OFF = "filter_off"
    #: old
    IT_WAS = "it_was"
    NEVER_CHANGED = "never_changed"
    LATEST_CHANGES = "latest_changes"
    #: held_ucr
    HELD = "held"
    #: begun
    BEGUN = "begun"
    #: begun, done, images
    BEGUN_OF = "begun_of"
    #: seconds
    USUALLY = "usually"
    #: seconds
    TAKES_LONGER = "takes_longer"
    NEXT_IN_LINE = "next_in_line"
    #: ahead
    AHEAD = "ahead"
    #: own
    OWN_AHEAD = "own_ahead"
    #: minutes
    WAIT_MINUTES = "wait_minutes"
    WAIT_SHORT = "wait_short"
    #: left_ucr
    BALANCE_LEFT = "balance_left"
    #: seconds
    TOOK = "took"
    #: cost
    AS_QUOTED = "as_quoted"
    #: background
    BACKGROUND = "background"
    #: count
    REFERENCES = "references"
    #: prompt
    ALT_DRAWN = "alt_drawn"
    #: prompt
    ALT_EDITED = "alt_edited"
    #: user_id, link
    DONE_PING = "done_ping"
    #: user_id, link
    FAILED_PING = "failed_ping"
    #: link
    POINTED = "pointed"
    #: link
    IMAGES_GONE_BUT = "images_gone_but"
    #: cost_ucr
    CONFIRM = "confirm"
    #: cost_ucr
    CONFIRM_RISEN = "confirm_risen"
    CHOOSE = "choose"
    WAS_CANCELLED = "was_cancelled"
    IS_UNDER_WAY = "is_under_way"
    QUEUED = "queued"
    PLACE = "place"
    DRAWING = "drawing"
    EDITING = "editing"
    CANCELLED = "cancelled"
    NOT_AWAITED_ANY_MORE = "not_awaited_any_more"
    NO_IMAGE = "no_image"
    REFUSED_BY_FILTER = "refused_by_filter"
    REFUSED_BY_SERVICE = "refused_by_service"
    SERVICE_FAILED = "service_failed"
    SERVICE_DOWN = "service_down"
    CONNECTION_LOST = "connection_lost"
    TIMED_OUT = "timed_out"
    REFERENCE_UNUSABLE = "reference_unusable"
    NOT_TAKEN_BY_DISCORD = "not_taken_by_discord"
    OUR_FAULT = "our_fault"
    VARIATION = "variation"
    LARGER_COPY = "larger_copy"
    CANCEL = "cancel"
    STOP_WAITING = "stop_waiting"
    AGAIN = "again"
    EDIT = "edit"
    VARY = "vary"
    LARGER = "larger"
    DETAILS = "details"
    PUBLISH = "publish"
    DELETE = "delete"
    TRY_AGAIN = "try_again"
    EDIT_PROMPT = "edit_prompt"
    GET_IMAGES = "get_images"
    GO = "go"
    WHICH_IMAGE = "which_image"
    IMAGE_NUMBER = "image_number"
    NEW_IMAGE = "new_image"
    CHANGE_IMAGE = "change_image"
    WORDS_NEW = "words_new"
    WORDS_CHANGE = "words_change"
    RATIO = "ratio"
    RATIO_AUTO = "ratio_auto"
    RATIO_KEPT = "ratio_kept"
    SIZE_AND_QUALITY = "size_and_quality"
    KIND = "kind"
    KIND_AUTO = "kind_auto"
    UP_TO = "up_to"
    MORE_REFERENCES = "more_references"
    REFERENCES_HINT = "references_hint"
    MODEL = "model"
    COST = "cost"
    BY_ROUTE = "by_route"
    FILTER = "filter"
    ON = "on"
    OFF = "off"
    FROM = "from"
    CAME_OF_IT = "came_of_it"
    ASKED = "asked"
    YOUR_WORDS = "your_words"
    FORM_BACKGROUND = "form_background"
    BACKGROUND_OPAQUE = "background_opaque"
    BACKGROUND_TRANSPARENT = "background_transparent"
    PROMPT = "prompt"
    OPEN = "open"
    NEWEST = "newest"
    OLDER = "older"
    YOUR_IMAGES = "your_images"
    YOUR_JOBS = "your_jobs"
    UNDER_WAY = "under_way"
    RECENT = "recent"
    CANCEL_NUMBER = "cancel_number"
    LATE = "late"
    ANSWER_GONE = "answer_gone"
    ALLOWANCE = "allowance"
    #: left_ucr, amount_ucr, refills_at
    ALLOWANCE_LEFT = "allowance_left"
    GRANTED = "granted"
    #: left_ucr
    GRANT_LEFT = "grant_left"
    HELD_NOW = "held_now"
    #: held_ucr
    HELD_FOR = "held_for"
    SPENT_LAST = "spent_last"
    YOUR_PRESETS = "your_presets"
    PREFERENCES = "preferences"
    PREFERENCES_HINT = "preferences_hint"
    PREFERRED_RATIO = "preferred_ratio"
    PREFERRED_SIZE = "preferred_size"
    PREFERRED_MODEL = "preferred_model"
    PREFERRED_PINGS = "preferred_pings"
    ANY_MODEL = "any_model"
    #: resolution, images
    SIZE_AND_COUNT = "size_and_count"
    PINGS_NEVER = "pings_never"
    PINGS_LONG = "pings_long"
    PINGS_ALWAYS = "pings_always"
    PRIVATE_ON = "private_on"
    PRIVATE_OFF = "private_off"
    RESET = "reset"
    HELP = "help"
    TASK_IMAGINE = "task_imagine"
    TASK_IMAGINE_HOW = "task_imagine_how"
    TASK_EDIT = "task_edit"
    TASK_EDIT_HOW = "task_edit_how"
    TASK_GATHER = "task_gather"
    TASK_GATHER_HOW = "task_gather_how"
    TASK_GO_ON = "task_go_on"
    TASK_GO_ON_HOW = "task_go_on_how"
    TASK_LOOK_BACK = "task_look_back"
    TASK_LOOK_BACK_HOW = "task_look_back_how"
    TASK_CREDITS = "task_credits"
    TASK_CREDITS_HOW = "task_credits_how"
    MADE_WITH_AI = "made_with_ai"
    YOUR_CREDITS = "your_credits"
    #: images, images_max
    BASKET_KEPT = "basket_kept"
    #: images
    BASKET_MORE = "basket_more"
    DRAW_WITH_THEM = "draw_with_them"
    EDIT_THE_FIRST = "edit_the_first"
    EMPTY_BASKET = "empty_basket"
    TAKE_OUT = "take_out"
    MENUS_EVERYONE = "menus_everyone"
    MENUS_OWN = "menus_own"
    MENUS_NOBODY = "menus_nobody"
    PRIVACY = "privacy"
    EXPORT_MINE = "export_mine"
    ERASE_MINE = "erase_mine"
    ERASE_NOW = "erase_now"
    NOBODY_ANY_MORE = "nobody_any_more"
    #: month
    STATS = "stats"
    CHART_SHOWS = "chart_shows"
    SPENT = "spent"
    #: cost_ucr, budget_ucr
    SPENT_OF = "spent_of"
    IMAGES_MADE = "images_made"
    #: images, jobs
    IMAGES_OF_JOBS = "images_of_jobs"
    #: jobs
    JOBS_FAILED = "jobs_failed"
    MEDIAN_WAIT = "median_wait"
    #: seconds
    WAITED = "waited"
    BY_MODEL = "by_model"
    #: images
    IMAGES = "images"
    TOP_MEMBERS = "top_members"
    #: jobs
    JOBS = "jobs"
    FAILURE_REASONS = "failure_reasons"
    DOWNLOAD_TABLE = "download_table"
