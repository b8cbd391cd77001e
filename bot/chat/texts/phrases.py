"""Parts of what members read: titles, labels and parts of sentences."""

from enum import StrEnum


class Phrase(StrEnum):
    """Above each are the facts that it takes."""

    #: amount: a Decimal of credits, with two places
    CREDITS = "credits"
    #: least_ucr
    LESS_THAN = "less_than"
    #: resolution, quality, cost_ucr
    OFFER = "offer"
    #: name, value
    PAIR = "pair"
    #: said
    QUOTED = "quoted"
    MODELS_TITLE = "models_title"
    MORE_ABOUT_MODEL = "more_about_model"
    ALL_MODELS = "all_models"
    #: model
    USED_BY_DEFAULT = "used_by_default"
    UNFILTERED_MODELS = "unfiltered_models"
    UNFILTERED_MODEL = "unfiltered_model"
    NOT_RIGHT_NOW = "not_right_now"
    #: text: what comes before it in its line; day: as 2026-12-01
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
    #: old
    IT_WAS = "it_was"
    NEVER_CHANGED = "never_changed"
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
    #: references
    REFERENCES = "references"
    #: prompt
    ALT_DRAWN = "alt_drawn"
    #: prompt
    ALT_EDITED = "alt_edited"
    #: user_id, link
    DONE_PING = "done_ping"
    #: user_id, link
    FAILED_PING = "failed_ping"
    #: user_id, link
    UNSHOWN_PING = "unshown_ping"
    #: link
    POINTED = "pointed"
    #: link
    IMAGES_GONE_BUT = "images_gone_but"
    #: link
    PUBLISHED_BEFORE = "published_before"
    #: cost_ucr
    CONFIRM = "confirm"
    #: cost_ucr
    CONFIRM_RISEN = "confirm_risen"
    WAS_CANCELLED = "was_cancelled"
    IS_WAITING = "is_waiting"
    IS_UNDER_WAY = "is_under_way"
    QUEUED = "queued"
    PLACE = "place"
    DRAWING = "drawing"
    EDITING = "editing"
    NOT_AWAITED_ANY_MORE = "not_awaited_any_more"
    NO_IMAGE = "no_image"
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
    #: number
    IMAGE_NUMBER = "image_number"
    NEW_IMAGE = "new_image"
    CHANGE_IMAGE = "change_image"
    WORDS_NEW = "words_new"
    WORDS_CHANGE = "words_change"
    RATIO = "ratio"
    RATIO_AUTO = "ratio_auto"
    RATIO_KEPT = "ratio_kept"
    SIZE_AND_QUALITY = "size_and_quality"
    #: resolution, quality
    KIND = "kind"
    #: cost_ucr
    UP_TO = "up_to"
    #: price_ucr
    FROM_PRICE = "from_price"
    IMAGE_TO_CHANGE = "image_to_change"
    NEW_REFERENCES = "new_references"
    MORE_REFERENCES = "more_references"
    OTHER_MASK = "other_mask"
    OTHER_MASK_HINT = "other_mask_hint"
    REFERENCES_HINT = "references_hint"
    MODEL = "model"
    COST = "cost"
    BY_ROUTE = "by_route"
    FILTER = "filter"
    ON = "on"
    OFF = "off"
    FROM = "from"
    USED_AGAIN = "used_again"
    #: times
    TIMES = "times"
    ASKED = "asked"
    YOUR_WORDS = "your_words"
    FORM_BACKGROUND = "form_background"
    PROMPT = "prompt"
    OPEN = "open"
    NEWEST = "newest"
    OLDER = "older"
    YOUR_IMAGES = "your_images"
    YOUR_JOBS = "your_jobs"
    UNDER_WAY = "under_way"
    RECENT = "recent"
    #: number
    CANCEL_NUMBER = "cancel_number"
    LATE = "late"
    ANSWER_GONE = "answer_gone"
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
    PREFERRED_SIZE = "preferred_size"
    PREFERRED_PINGS = "preferred_pings"
    ANY_MODEL = "any_model"
    #: resolution, images
    SIZE_AND_COUNT = "size_and_count"
    PRIVATE_ON = "private_on"
    PRIVATE_OFF = "private_off"
    RESET = "reset"
    HELP = "help"
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
    NOT_ALLOWED_HERE = "not_allowed_here"
    SETTINGS_TITLE = "settings_title"
    WHICH_SETTING = "which_setting"
    YES = "yes"
    NO = "no"
    NOT_DECIDED = "not_decided"
    ALL_OF_THEM = "all_of_them"
    NOWHERE = "nowhere"
    NOT_PAUSED = "not_paused"
    PAUSED_OPENLY = "paused_openly"
    #: until
    PAUSED_TO = "paused_to"
    SERVERS_OWN = "servers_own"
    NONE_MEANS_ALL = "none_means_all"
    CHANGE_IT = "change_it"
    PAUSE = "pause"
    RESUME = "resume"
    TRAIL = "trail"
    ALL_SETTINGS = "all_settings"
    TURN_OFF = "turn_off"
    KEEP_IT = "keep_it"
    PAUSE_HOURS = "pause_hours"
    PAUSE_REASON = "pause_reason"
    CONFIRM_AMOUNT = "confirm_amount"
    SPOILER = "spoiler"
    REMOVE = "remove"
    REFUND = "refund"
    BLOCK_MEMBER = "block_member"
    MODERATE = "moderate"
    REASON = "reason"
    BLOCK_END = "block_end"
    BLOCK_END_HINT = "block_end_hint"
    REPORT_IMAGE = "report_image"
    REPORT_WHY = "report_why"
    REPORTED_IMAGE = "reported_image"
    LATEST_HERE = "latest_here"
    BLOCKED_HERE = "blocked_here"
    ACTS_HERE = "acts_here"
    BY_MODERATOR = "by_moderator"
    OF_MEMBER = "of_member"
    AMOUNT = "amount"
    IMAGE = "image"
    LASTS_UNTIL = "lasts_until"
    NO_END = "no_end"
    WAS_REMOVED = "was_removed"
    IS_PRIVATE = "is_private"
    NEXT = "next"
    OPEN_TO_MODERATE = "open_to_moderate"
    #: percent
    BUDGET_SHARE = "budget_share"
    BUDGET_USED_UP = "budget_used_up"
    #: left_ucr, amount_ucr
    ALLOWANCE_ROLLS = "allowance_rolls"
    #: back_ucr, back_at
    NEXT_BACK = "next_back"
    #: role
    BY_ROLE = "by_role"
    BY_SERVER = "by_server"
    BY_HOST = "by_host"
    LATEST_ENTRIES = "latest_entries"
    HOST = "host"
    QUOTA = "quota"
    #: left_ucr, amount_ucr, renewed_at
    BUDGET_LEFT = "budget_left"
    #: amount_ucr
    CEILING = "ceiling"
    NO_LIMIT = "no_limit"
    #: member
    CREDITS_OF = "credits_of"
    PRIVACY = "privacy"
    EXPORT_MINE = "export_mine"
    ERASE_MINE = "erase_mine"
    ERASE_NOW = "erase_now"
    NOBODY_ANY_MORE = "nobody_any_more"
    CHART_SHOWS = "chart_shows"
    SPENT = "spent"
    IMAGES_MADE = "images_made"
    #: images, jobs
    IMAGES_OF_JOBS = "images_of_jobs"
    #: jobs
    JOBS_FAILED = "jobs_failed"
    MEDIAN_WAIT = "median_wait"
    BY_MODEL = "by_model"
    #: images
    IMAGES = "images"
    TOP_MEMBERS = "top_members"
    #: jobs
    JOBS = "jobs"
    FAILURE_REASONS = "failure_reasons"
    DOWNLOAD_TABLE = "download_table"
